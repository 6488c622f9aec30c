import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { PloriError } from "../../../src/base/errors.ts";
import { LIMITS } from "../../../src/base/limits.ts";
import { grantCredits } from "../../../src/ledger/grant-credits.ts";
import { placeHold } from "../../../src/ledger/place-hold.ts";
import { publishPrices } from "../../../src/ledger/publish-prices.ts";
import { recordUsage } from "../../../src/ledger/record-usage.ts";
import type { UsageRecord } from "../../../src/ledger/usage-record.ts";
import { callOver, item, NO_TOKENS, NOW_MS, orderOf, RECORDER, recordOf, routeOf, tokens } from "../fixtures.ts";
import { checkInvariants } from "../invariants.ts";
import { memoryLedger, type TestLedger } from "../tables.ts";

let ledger: TestLedger;
beforeEach(() => {
  ledger = memoryLedger();
  ledger.batch(NOW_MS, (set) => {
    const items = ["INPUT_UNCACHED", "CACHE_READ", "CACHE_WRITE", "OUTPUT", "VCPU", "MEMORY", "DISK"] as const;
    publishPrices(set, { items: items.map((name) => item(name, 1_000n)), effectiveMs: undefined }, NOW_MS);
    const grant = { account: "a1", grantId: "grant", amountNano: 1_000n, priority: 0, category: "PAID" as const };
    grantCredits(set, { ...grant, effectiveMs: undefined, expireMs: undefined }, NOW_MS);
  });
  ledger.addRoute(routeOf({ routeId: "byok", account: "a1" }));
});

const MAX = 2n ** 63n - 1n;
const badId = fc.oneof(
  fc.constantFrom("", " ", "a b", "ünï", "a\u0000b", "-".repeat(129), "\u202Ea", "a\n", "a'--", "💥"),
  fc.string({ unit: "grapheme" }).filter((text) => !/^[A-Za-z0-9._:/-]{1,128}$/.test(text)),
);
const badCount = fc.oneof(
  fc.constantFrom(-1n, -MAX - 1n, 10n ** 15n, MAX),
  fc.bigInt({ min: -MAX - 1n, max: -1n }),
  fc.bigInt({ min: LIMITS.quantityMax + 1n, max: MAX }),
);
const badNumber = fc.constantFrom<unknown>(
  ...[-1, -1e-9, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e308, -1e308, 1e15, 0.5, 2 ** 63],
  ...["-1", "1e3", "NaN", "0x10", "", "1.5", "9".repeat(40), true, [], [1], {}],
);
const badText = fc.constantFrom("a\u0000b", "two\nlines", "x".repeat(301), "\u007f");

const call = callOver("byok", "c1");
const compute = { kind: "COMPUTE", vcpuMilliseconds: 1n, memoryMibMilliseconds: 1n } as const;

/** A good record with one field of it broken, and the field's path. */
const broken: fc.Arbitrary<readonly [path: string, record: UsageRecord]> = fc.oneof(
  badId.map((usageId) => ["usage_id", recordOf(usageId, call)] as const),
  badId.map((account) => ["account", recordOf("u", call, { account })] as const),
  badId.map((agent) => ["agent", recordOf("u", call, { agent })] as const),
  fc
    .constantFrom(
      undefined,
      0,
      -8.64e15,
      NOW_MS - LIMITS.occurPastMaxMs - 1,
      NOW_MS + LIMITS.occurFutureMaxMs + 1,
      253_402_300_799_999,
    )
    .map((occurMs) => ["occur_time", recordOf("u", call, { occurMs })] as const),
  fc
    .constantFrom("", "UPPER", "sp ace", "x".repeat(64), "__proto__\u0000", "ä")
    .map((name) => ["labels", recordOf("u", call, { labels: { [name]: "value" } })] as const),
  badText.map((value) => ["labels[x]", recordOf("u", call, { labels: { x: value } })] as const),
  fc.constant(["kind", recordOf("u", undefined)] as const),
  fc.constant(["model_call.authority", recordOf("u", { ...call, authority: { kind: "none" } })] as const),
  badId.map(
    (routeId) => ["model_call.route", recordOf("u", { ...call, authority: { kind: "route", routeId } })] as const,
  ),
  badText.map((name) => ["model_call.hold", recordOf("u", { ...call, authority: { kind: "hold", name } })] as const),
  badId.map((callId) => ["model_call.call_id", recordOf("u", { ...call, callId })] as const),
  fc
    .constantFrom(-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 10_001, 2 ** 31 - 1)
    .map((attempt) => ["model_call.attempt", recordOf("u", { ...call, attempt })] as const),
  fc.constant(["model_call.outcome", recordOf("u", { ...call, outcome: undefined })] as const),
  badText.map(
    (text) => ["model_call.provider_request_id", recordOf("u", { ...call, providerRequestId: text })] as const,
  ),
  fc
    .tuple(fc.constantFrom("inputUncached", "cacheRead", "cacheWrite", "output", "reasoning"), badCount)
    .map(([name, count]) => {
      const path = `model_call.tokens.${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_tokens`;
      const counts = { ...NO_TOKENS, [name]: count };
      return [path, recordOf("u", { ...call, usage: { kind: "tokens", tokens: counts } })] as const;
    }),
  fc.tuple(fc.constantFrom("prompt_tokens", "completion_tokens"), badNumber).map(([name, number]) => {
    const usage = { prompt_tokens: 1, completion_tokens: 1, [name]: number };
    return [
      `model_call.provider_usage.${name}`,
      recordOf("u", { ...call, usage: { kind: "provider", usage } }),
    ] as const;
  }),
  badCount.map(
    (count) => ["compute.vcpu_milliseconds", recordOf("u", { ...compute, vcpuMilliseconds: count })] as const,
  ),
  badCount.map(
    (count) =>
      ["compute.memory_mib_milliseconds", recordOf("u", { ...compute, memoryMibMilliseconds: count })] as const,
  ),
  fc
    .constantFrom(-1n, -MAX - 1n, LIMITS.byteSecondsMax + 1n, MAX)
    .map((byteSeconds) => ["disk.byte_seconds", recordOf("u", { kind: "DISK", byteSeconds })] as const),
);

test("a record with any field broken in any way is rejected by that field's name and writes nothing, and its good neighbours land", () => {
  let turn = 0;
  fc.assert(
    fc.property(broken, ([path, record]) => {
      turn += 1;
      const good = recordOf(`good${turn}`, { kind: "DISK", byteSeconds: 1n });
      const before = ledger.dump();
      const [rejected, created] = ledger.batch(NOW_MS, (set) =>
        [record, good].map((one) => recordUsage(set, one, RECORDER, NOW_MS)),
      );
      expect(rejected).toMatchObject({ outcome: "REJECTED", refusal: { reason: "FIELDS_INVALID" } });
      const fields = rejected?.outcome === "REJECTED" ? rejected.refusal.violations?.map(({ field }) => field) : [];
      expect(fields).toEqual([path]);
      expect(created?.outcome).toBe("CREATED");
      expect(ledger.dump().charges.length).toBe(before.charges.length + 1);
    }),
    { numRuns: 600 },
  );
  checkInvariants(ledger.dump(), NOW_MS);
});

test("minus zero counts as nothing, and the largest count that is taken is one below 10^15", () => {
  const of = (usage: object) => recordOf("u1", { ...call, usage: { kind: "provider", usage } });
  const record = (one: UsageRecord) => ledger.batch(NOW_MS, (set) => recordUsage(set, one, RECORDER, NOW_MS));
  expect(record(of({ prompt_tokens: -0, completion_tokens: -0 }))).toMatchObject({ charge: { lines: [] } });
  const most = recordOf("u2", callOver("byok", "c2", { usage: tokens(LIMITS.quantityMax, 0n) }));
  expect(record(most)).toMatchObject({ charge: { lines: [{ quantity: 10n ** 15n - 1n }], amountNano: 0n } });
});

function refusedFields(decide: () => unknown): readonly string[] {
  const before = ledger.dump();
  try {
    ledger.batch(NOW_MS, decide);
  } catch (error) {
    expect(ledger.dump()).toEqual(before);
    if (error instanceof PloriError) return error.refusal.violations?.map(({ field }) => field) ?? [error.reason];
    throw error;
  }
  throw new Error("it was taken");
}

test.each([
  ["amount", { amountNano: 0n }],
  ["amount", { amountNano: -1n }],
  ["amount", { amountNano: -MAX - 1n }],
  ["amount", { amountNano: MAX }],
  ["amount", { amountNano: 2n ** 64n }],
  ["priority", { priority: -1 }],
  ["priority", { priority: Number.NaN }],
  ["priority", { priority: 0.5 }],
  ["priority", { priority: 1e308 }],
  ["expire_time", { expireMs: NOW_MS }],
  ["expire_time", { expireMs: -1 }],
  ["expire_time", { expireMs: Number.NaN }],
  ["expire_time", { effectiveMs: NOW_MS + 2, expireMs: NOW_MS + 1 }],
] as const)("a grant with a bad %s is refused and changes nothing: %o", (field, change) => {
  const grant = { account: "a1", grantId: "g2", amountNano: 1n, priority: 0, category: "PAID" as const };
  const order = { ...grant, effectiveMs: undefined, expireMs: undefined, ...change };
  expect(refusedFields(() => ledger.batch(NOW_MS, (set) => grantCredits(set, order, NOW_MS)))).toEqual([field]);
});

test.each([
  ["price_pico", { pricePico: -1n }],
  ["price_pico", { pricePico: 2n ** 63n }],
  ["unit_count", { unitCount: 0n }],
  ["unit_count", { unitCount: -1n }],
  ["unit_count", { unitCount: 2n ** 63n }],
  ["min_input_tokens", { minInputTokens: -1n }],
  ["min_input_tokens", { minInputTokens: 10n ** 15n }],
] as const)("a price with a bad %s is refused and publishes nothing: %o", (field, change) => {
  const items = [{ ...item("OUTPUT", 1_000n), ...change }];
  const publish = () => ledger.batch(NOW_MS, (set) => publishPrices(set, { items, effectiveMs: undefined }, NOW_MS));
  expect(refusedFields(publish)).toEqual([`items[0].${field}`]);
  expect(ledger.batch(NOW_MS, (set) => set.priceVersions().length)).toBe(1);
});

test("a hold for the most tokens that can be asked for is refused for want of credits, never free and never wrapped around", () => {
  const order = { inputTokens: LIMITS.quantityMax, maxOutputTokens: LIMITS.quantityMax };
  const place = () =>
    ledger.batch(NOW_MS, (set) =>
      placeHold(set, orderOf({ account: "a1", callId: "c", holdId: "h", ...order }), NOW_MS),
    );
  expect(refusedFields(place)).toEqual(["CREDITS_EXHAUSTED"]);
});
