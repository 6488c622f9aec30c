import { beforeEach, expect, test } from "vitest";
import { LIMITS } from "../../src/base/limits.ts";
import { balance } from "../../src/ledger/balance.ts";
import { grantCredits } from "../../src/ledger/grant-credits.ts";
import { placeHold } from "../../src/ledger/place-hold.ts";
import { publishPrices } from "../../src/ledger/publish-prices.ts";
import { recordUsage } from "../../src/ledger/record-usage.ts";
import type { HoldRow } from "../../src/ledger/rows.ts";
import type { CallUsage, Recorder, RecordResult, UsageRecord } from "../../src/ledger/usage-record.ts";
import { callOver, HOST, item, NOW_MS, orderOf, RECORDER, recordOf, routeOf, routeOfHold, tokens } from "./fixtures.ts";
import { checkInvariants } from "./invariants.ts";
import { memoryLedger, type TestLedger } from "./tables.ts";

const PLAIN: CallUsage = { kind: "provider", usage: { prompt_tokens: 10, completion_tokens: 5 } };
let ledger: TestLedger;
let hold: HoldRow;

/** Input 1 nano a token, output 2, disk 1 nano a byte-second. "a1" has 1,000 nano, 300 of them set aside for "call" over route "r-h1"; "byok" is a BYOK route. */
beforeEach(() => {
  ledger = memoryLedger();
  ledger.batch(NOW_MS, (set) => {
    const items = [item("INPUT_UNCACHED", 1_000n), item("OUTPUT", 2_000n), item("DISK", 1_000n)];
    publishPrices(set, { items, effectiveMs: undefined }, NOW_MS);
    const grant = { account: "a1", grantId: "grant", amountNano: 1_000n, priority: 0, category: "PAID" as const };
    grantCredits(set, { ...grant, effectiveMs: undefined, expireMs: undefined }, NOW_MS);
    hold = placeHold(set, orderOf({ account: "a1", callId: "call", holdId: "h1" }), NOW_MS);
  });
  ledger.addRoute(routeOfHold(hold));
  ledger.addRoute(routeOf({ routeId: "byok", account: "a1" }));
});

function record(usage: UsageRecord, recorder: Recorder = HOST, nowMs = NOW_MS): RecordResult {
  const before = ledger.dump();
  const result = ledger.batch(nowMs, (set) => recordUsage(set, usage, recorder, nowMs));
  checkInvariants(ledger.dump(), nowMs, before.charges);
  if (result.outcome !== "CREATED") expect(ledger.dump()).toEqual(before);
  return result;
}

function pool() {
  return ledger.batch(NOW_MS, (set) => balance(set, "a1", NOW_MS));
}

test("a hosted call is charged what it used, and what its hold set aside beyond that is free again", () => {
  const result = record(recordOf("u1", callOver("r-h1", "call", { usage: tokens(50n, 10n) })));
  expect(result).toMatchObject({
    outcome: "CREATED",
    charge: { amountNano: 70n, listNano: 70n, holdId: "h1", estimated: false, priceVersion: 1, overdraftNano: 0n },
  });
  expect(pool()).toMatchObject({ availableNano: 930n, heldNano: 0n, spentNano: 70n });
});

test("a hold's name authorises as its route does", () => {
  const authority = { kind: "hold", name: "accounts/a1/holds/h1" } as const;
  expect(record(recordOf("u1", callOver("", "call", { authority })))).toMatchObject({
    outcome: "CREATED",
    charge: { routeId: "r-h1", holdId: "h1" },
  });
});

test("a call on the user's own key costs nothing, with its list price beside it", () => {
  expect(record(recordOf("u1", callOver("byok", "c1", { usage: tokens(50n, 10n) })))).toMatchObject({
    outcome: "CREATED",
    charge: { payer: "BYOK", amountNano: 0n, listNano: 70n, holdId: "", allocations: [], estimated: false },
  });
  expect(pool()).toMatchObject({ availableNano: 700n, spentNano: 0n });
});

test("on the user's own key a list price that is not whole is absent", () => {
  const usage = tokens(50n, 10n, { cacheRead: 1n });
  const result = record(recordOf("u1", callOver("byok", "c1", { usage })));
  expect(result).toMatchObject({ outcome: "CREATED", charge: { amountNano: 0n, listNano: undefined } });
});

test.each([
  ["a success that tells nothing", "SUCCEEDED", { kind: "none" }, 100n, true],
  ["a success that counts nothing", "SUCCEEDED", tokens(0n, 0n), 100n, true],
  ["a success with an empty usage object", "SUCCEEDED", { kind: "provider", usage: {} }, 100n, true],
  ["a cancelled call that tells nothing", "CANCELLED", { kind: "none" }, 100n, true],
  ["a cancelled call that counts nothing", "CANCELLED", tokens(0n, 0n), 0n, false],
  ["a cancelled call that counts something", "CANCELLED", tokens(7n, 1n), 9n, false],
  ["a failed call that tells nothing", "FAILED", { kind: "none" }, 0n, false],
  ["a failed call that counts something", "FAILED", tokens(7n, 0n), 7n, false],
  ["a success without an output total", "SUCCEEDED", { kind: "provider", usage: { prompt_tokens: 9 } }, 9n, true],
  ["a success with an unpriced part", "SUCCEEDED", tokens(9n, 1n, { cacheRead: 4n }), 11n, true],
  ["the provider's own usage object", "SUCCEEDED", PLAIN, 20n, false],
] as const)("%s on credits is never free by accident", (_what, outcome, usage, amountNano, estimated) => {
  const result = record(recordOf("u1", callOver("r-h1", "call", { outcome, usage })));
  expect(result).toMatchObject({ outcome: "CREATED", charge: { amountNano, estimated, holdId: "h1" } });
  expect(pool()).toMatchObject({ heldNano: 0n, spentNano: amountNano });
});

test("usage beyond hold and credits is charged all the same: the rest is overdraft, which the next grant makes good", () => {
  record(recordOf("u1", callOver("r-h1", "call", { usage: tokens(1_500n, 0n) })));
  expect(pool()).toMatchObject({ availableNano: 0n, spentNano: 1_500n, overdraftNano: 500n });
  const order = { account: "a1", grantId: "g2", amountNano: 800n, priority: 0, category: "PAID" as const };
  const grant = ledger.batch(NOW_MS, (set) =>
    grantCredits(set, { ...order, effectiveMs: undefined, expireMs: undefined }, NOW_MS),
  );
  expect(grant).toMatchObject({ amountNano: 800n, remainingNano: 300n });
  expect(pool()).toMatchObject({ availableNano: 300n, overdraftNano: 0n });
  checkInvariants(ledger.dump(), NOW_MS);
});

test("a report that comes after the hold ran out is charged and captures it", () => {
  const lateMs = NOW_MS + LIMITS.holdMs + 1;
  const result = record(recordOf("u1", callOver("r-h1", "call")), HOST, lateMs);
  expect(result).toMatchObject({ outcome: "CREATED", charge: { amountNano: 30n, holdId: "h1" } });
  expect(ledger.dump().holds).toMatchObject([{ state: "CAPTURED" }]);
});

test("a further try of a settled call is charged without a hold", () => {
  record(recordOf("u1", callOver("r-h1", "call")));
  const again = record(recordOf("u2", callOver("r-h1", "call", { attempt: 2 })));
  expect(again).toMatchObject({ outcome: "CREATED", charge: { amountNano: 30n, holdId: "", attempt: 2 } });
});

test("prices that are published between route and record change nothing for the call", () => {
  ledger.batch(NOW_MS, (set) =>
    publishPrices(set, { items: [item("INPUT_UNCACHED", 9_000_000n)], effectiveMs: undefined }, NOW_MS),
  );
  expect(record(recordOf("u1", callOver("r-h1", "call")))).toMatchObject({
    outcome: "CREATED",
    charge: { amountNano: 30n, priceVersion: 1 },
  });
});

test("compute and disk cost credits at the price of when they were used; before the first price, at the first", () => {
  const laterMs = NOW_MS + 60_000;
  ledger.batch(laterMs, (set) =>
    publishPrices(set, { items: [item("DISK", 5_000n)], effectiveMs: undefined }, laterMs),
  );
  const used = { kind: "DISK", byteSeconds: 10n } as const;
  const charged = (id: string, occurMs: number) => record(recordOf(id, used, { occurMs }), RECORDER, laterMs);
  expect(charged("new", laterMs)).toMatchObject({ charge: { amountNano: 50n, priceVersion: 2, payer: "HOSTED" } });
  expect(charged("old", NOW_MS)).toMatchObject({ charge: { amountNano: 10n, priceVersion: 1 } });
  expect(charged("older", NOW_MS - 1)).toMatchObject({ charge: { amountNano: 10n, priceVersion: 1 } });
  expect(record(recordOf("none", { kind: "DISK", byteSeconds: 0n }), RECORDER)).toMatchObject({
    outcome: "CREATED",
    charge: { amountNano: 0n, lines: [] },
  });
});

const COMPUTE = { kind: "COMPUTE", vcpuMilliseconds: 1n, memoryMibMilliseconds: 1n } as const;
const call = callOver("r-h1", "call");
test.each([
  ["an unknown route", recordOf("u", callOver("r-x", "call")), HOST, "ROUTE_NOT_FOUND"],
  ["another account's route", recordOf("u", call, { account: "a2" }), HOST, "ROUTE_NOT_FOUND"],
  ["another agent's route", recordOf("u", call, { agent: "g2" }), RECORDER, "ROUTE_NOT_FOUND"],
  ["another host's route", recordOf("u", call), { role: "agent-host", host: "h2" }, "ROUTE_NOT_FOUND"],
  [
    "another account's hold",
    recordOf("u", { ...call, authority: { kind: "hold", name: "accounts/a2/holds/h1" } }),
    HOST,
    "HOLD_NOT_FOUND",
  ],
  ["compute from an agent host", recordOf("u", COMPUTE), HOST, "ROLE_NOT_ALLOWED"],
  ["compute without a price", recordOf("u", COMPUTE), RECORDER, "PRICE_NOT_FOUND"],
  ["nothing used", recordOf("u", undefined), RECORDER, "FIELDS_INVALID"],
] as const)("a record of %s is rejected and changes nothing", (_what, usage, recorder, reason) => {
  expect(record(usage, recorder)).toMatchObject({ outcome: "REJECTED", refusal: { reason } });
});

const big = LIMITS.quantityMax;
test.each([
  ["usage_id", recordOf("", call)],
  ["usage_id", recordOf("sp ace", call)],
  ["account", recordOf("u", call, { account: "a/b" })],
  ["occur_time", recordOf("u", call, { occurMs: undefined })],
  ["occur_time", recordOf("u", call, { occurMs: NOW_MS - LIMITS.occurPastMaxMs - 1 })],
  ["occur_time", recordOf("u", call, { occurMs: NOW_MS + LIMITS.occurFutureMaxMs + 1 })],
  ["labels", recordOf("u", call, { labels: { Upper: "x" } })],
  ["labels[x]", recordOf("u", call, { labels: { x: "a\u0000b" } })],
  ["labels", recordOf("u", call, { labels: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`l${i}`, ""])) })],
  ["model_call.authority", recordOf("u", { ...call, authority: { kind: "none" } })],
  ["model_call.call_id", recordOf("u", { ...call, callId: "" })],
  ["model_call.call_id", recordOf("u", { ...call, callId: "other" })],
  ["model_call.attempt", recordOf("u", { ...call, attempt: -1 })],
  ["model_call.outcome", recordOf("u", { ...call, outcome: undefined })],
  ["model_call.tokens.input_uncached_tokens", recordOf("u", { ...call, usage: tokens(-1n, 0n) })],
  ["model_call.tokens.output_tokens", recordOf("u", { ...call, usage: tokens(0n, big + 1n) })],
  ["model_call.tokens.output_tokens", recordOf("u", { ...call, usage: tokens(0n, 2n ** 63n - 1n) })],
  [
    "model_call.provider_usage.prompt_tokens",
    recordOf("u", { ...call, usage: { kind: "provider", usage: { prompt_tokens: -1 } } }),
  ],
  [
    "model_call.provider_usage.prompt_tokens",
    recordOf("u", { ...call, usage: { kind: "provider", usage: { prompt_tokens: Number.NaN } } }),
  ],
  [
    "model_call.provider_usage",
    recordOf("u", { ...call, usage: { kind: "provider", usage: { x: "y".repeat(9_000) } } }),
  ],
  ["disk.byte_seconds", recordOf("u", { kind: "DISK", byteSeconds: -1n })],
] as const)("a record with a bad %s is rejected by that name and changes nothing", (field, usage) => {
  const result = record(usage, RECORDER);
  expect(result).toMatchObject({ outcome: "REJECTED", refusal: { reason: "FIELDS_INVALID", violations: [{ field }] } });
  // What was rejected did not use up its ids.
  expect(record(recordOf("u", call)).outcome).toBe("CREATED");
});

test("every bad field of a record is named at once", () => {
  const bad = recordOf("", { kind: "COMPUTE", vcpuMilliseconds: -1n, memoryMibMilliseconds: big + 1n }, { occurMs: 0 });
  const result = record(bad, RECORDER);
  expect(result.outcome === "REJECTED" && result.refusal.violations?.map(({ field }) => field)).toEqual([
    "usage_id",
    "compute.vcpu_milliseconds",
    "compute.memory_mib_milliseconds",
    "occur_time",
  ]);
});

test("the largest quantities are charged as long as the account's total fits 64 bits, and rejected beyond", () => {
  const dear = [item("DISK", 9_223_372n)];
  ledger.batch(NOW_MS, (set) => publishPrices(set, { items: dear, effectiveMs: undefined }, NOW_MS));
  expect(record(recordOf("u1", { kind: "DISK", byteSeconds: 10n ** 15n }), RECORDER)).toMatchObject({
    outcome: "CREATED",
    charge: { amountNano: 9_223_372_000_000_000_000n },
  });
  expect(record(recordOf("u2", { kind: "DISK", byteSeconds: 10n ** 15n }), RECORDER)).toMatchObject({
    outcome: "REJECTED",
    refusal: { reason: "FIELDS_INVALID", violations: [{ field: "disk" }] },
  });
});

test("the same record again gives the first charge, also within one batch, after its time window, and with its map in another order", () => {
  const usage = (object: object): CallUsage => ({ kind: "provider", usage: object });
  const first = recordOf("u1", callOver("byok", "c1", { usage: usage({ prompt_tokens: 1, completion_tokens: 2 }) }), {
    labels: { a: "1", b: "2" },
  });
  const second = recordOf(
    "u1",
    callOver("byok", "c1", { attempt: 0, usage: usage({ completion_tokens: 2, prompt_tokens: 1 }) }),
    { labels: { b: "2", a: "1" } },
  );
  const [created, replayed] = ledger.batch(NOW_MS, (set) =>
    [first, second].map((one) => recordUsage(set, one, HOST, NOW_MS)),
  );
  expect(created?.outcome).toBe("CREATED");
  expect(replayed).toEqual({ ...created, outcome: "REPLAYED" });
  expect(record(second, HOST, NOW_MS + 400 * 86_400_000)).toEqual(replayed);
});

test("the same usage id with another payload is a conflict that names what differs, and the first stands", () => {
  record(recordOf("u1", call));
  const other = { ...call, usage: tokens(10n, 11n), providerRequestId: "x" };
  expect(record(recordOf("u1", other, { labels: { a: "" } }))).toMatchObject({
    outcome: "REJECTED",
    refusal: {
      reason: "USAGE_ID_CONFLICT",
      metadata: {
        usage_id: "u1",
        differing_fields: "labels,output_tokens,provider_request_id",
        recorded_time: new Date(NOW_MS).toISOString(),
      },
    },
  });
});

test("one try of a call is charged once, whatever usage id it comes with", () => {
  record(recordOf("u1", call));
  expect(record(recordOf("u2", call))).toMatchObject({
    outcome: "REJECTED",
    refusal: { reason: "USAGE_ID_CONFLICT", metadata: { usage_id: "u1", call_id: "call", attempt: "1" } },
  });
});

test("a usage id is unique per kind and account only", () => {
  expect(record(recordOf("u1", callOver("byok", "c1"))).outcome).toBe("CREATED");
  expect(record(recordOf("u1", { kind: "DISK", byteSeconds: 1n }), RECORDER).outcome).toBe("CREATED");
  expect(record(recordOf("u1", { kind: "DISK", byteSeconds: 2n }, { account: "a2" }), RECORDER).outcome).toBe(
    "CREATED",
  );
});

test("another host learns nothing about a usage id that was recorded: no charge, no conflict", () => {
  record(recordOf("u1", call));
  const stranger: Recorder = { role: "agent-host", host: "h2" };
  const seen = record(recordOf("u1", call), stranger);
  expect(seen).toMatchObject({ outcome: "REJECTED", refusal: { reason: "ROUTE_NOT_FOUND" } });
  expect(record(recordOf("never", call), stranger)).toEqual({ ...seen, usageId: "never" });
});
