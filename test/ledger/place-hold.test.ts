import fc from "fast-check";
import { expect, test } from "vitest";
import { PloriError } from "../../src/base/errors.ts";
import { LIMITS } from "../../src/base/limits.ts";
import { balance } from "../../src/ledger/balance.ts";
import { grantCredits } from "../../src/ledger/grant-credits.ts";
import { outputLimit } from "../../src/ledger/output-limit.ts";
import { type HoldOrder, placeHold } from "../../src/ledger/place-hold.ts";
import { publishPrices } from "../../src/ledger/publish-prices.ts";
import { recordUsage } from "../../src/ledger/record-usage.ts";
import type { HoldRow } from "../../src/ledger/rows.ts";
import type { WorkingSet } from "../../src/ledger/working-set.ts";
import { callOver, HOST, item, NOW_MS, orderOf, recordOf, routeOfHold } from "./fixtures.ts";
import { checkInvariants } from "./invariants.ts";
import { memoryLedger, type TestLedger } from "./tables.ts";

/** Input 1 nano a token, output 2; account "a1" has `nano` credits. */
function ledgerWith(nano: bigint): TestLedger {
  const ledger = memoryLedger();
  ledger.batch(NOW_MS, (set) => {
    const items = [item("INPUT_UNCACHED", 1_000n), item("OUTPUT", 2_000n)];
    publishPrices(set, { items, effectiveMs: undefined }, NOW_MS);
    if (nano > 0n) give(set, nano);
  });
  return ledger;
}

function give(set: WorkingSet, amountNano: bigint): void {
  const grant = { account: "a1", grantId: "grant", priority: 0, category: "PAID" as const };
  grantCredits(set, { ...grant, amountNano, effectiveMs: undefined, expireMs: undefined }, NOW_MS);
}

function place(ledger: TestLedger, order: Partial<HoldOrder>, nowMs = NOW_MS): HoldRow | PloriError {
  try {
    const full = orderOf({ account: "a1", callId: "call", holdId: "h1", ...order });
    const hold = ledger.batch(nowMs, (set) => placeHold(set, full, nowMs));
    ledger.addRoute(routeOfHold(hold));
    return hold;
  } catch (error) {
    if (error instanceof PloriError) return error;
    throw error;
  }
}

function settle(ledger: TestLedger, hold: HoldRow, nowMs = NOW_MS) {
  const record = recordOf(hold.callId, callOver(hold.routeId, hold.callId), { occurMs: nowMs });
  return ledger.batch(nowMs, (set) => recordUsage(set, record, HOST, nowMs));
}

test("a call gets its worst case set aside, and fewer output tokens when the credits cover less", () => {
  const ledger = ledgerWith(400n);
  expect(place(ledger, {})).toMatchObject({ amountNano: 300n, maxOutputTokens: 100n, priceVersion: 1 });
  // 100 are left: nothing remains for output.
  expect(place(ledger, { callId: "second", holdId: "h2", inputTokens: 61n })).toMatchObject({
    amountNano: 99n,
    maxOutputTokens: 19n,
    requestedOutputTokens: 100n,
  });
  checkInvariants(ledger.dump(), NOW_MS);
});

test("credits that do not cover the least output are exhausted, and the refusal says what is there and what is needed", () => {
  const ledger = ledgerWith(300n);
  place(ledger, { inputTokens: 50n, maxOutputTokens: 50n });
  const refused = place(ledger, { callId: "second", holdId: "h2", minOutputTokens: 26n });
  expect(refused).toMatchObject({
    reason: "CREDITS_EXHAUSTED",
    refusal: {
      metadata: {
        available: "0.000000150",
        required: "0.000000152",
        earliest_hold_expiry: new Date(NOW_MS + LIMITS.holdMs).toISOString(),
      },
    },
  });
  expect(place(ledger, { callId: "second", holdId: "h2", minOutputTokens: 25n })).toMatchObject({ amountNano: 150n });
});

test("a hold never exceeds its cap: it gets fewer output tokens, and says what made them fewer", () => {
  const ledger = ledgerWith(1_000n);
  const limited = (order: Partial<HoldOrder>) => {
    const hold = place(ledger, order);
    if (hold instanceof PloriError) return hold.reason;
    const full = orderOf({ account: "a1", callId: hold.callId, holdId: hold.holdId, ...order });
    return [hold.amountNano, hold.maxOutputTokens, ledger.batch(NOW_MS, (set) => outputLimit(set, full, hold))];
  };
  expect(limited({ callId: "c1", holdId: "h1", capNano: 300n })).toEqual([300n, 100n, undefined]);
  expect(limited({ callId: "c2", holdId: "h2", capNano: 299n })).toEqual([298n, 99n, "SPEND_CAP"]);
  expect(limited({ callId: "c3", holdId: "h3", capNano: 10n ** 30n })).toEqual([300n, 100n, undefined]);
  // 102 are left.
  expect(limited({ callId: "c4", holdId: "h4", capNano: 250n })).toEqual([102n, 1n, "CREDITS"]);
  expect(limited({ callId: "c2", holdId: "other", capNano: 299n })).toEqual([298n, 99n, "SPEND_CAP"]);
  checkInvariants(ledger.dump(), NOW_MS);
});

test("a cap that does not cover the least output is too low, whatever credits there are", () => {
  for (const nano of [0n, 10n ** 15n]) {
    const ledger = ledgerWith(nano);
    const cap = { capNano: 101n, minOutputTokens: 1n };
    expect(place(ledger, cap)).toMatchObject({
      reason: "SPEND_CAP_TOO_LOW",
      refusal: { metadata: { cap: "0.000000101", required: "0.000000102" } },
    });
    expect(ledger.batch(NOW_MS, (set) => balance(set, "a1", NOW_MS).heldNano)).toBe(0n);
  }
});

test("an open hold keeps its size when the cap changes, and a new one for a call whose hold ran out takes the new cap", () => {
  const ledger = ledgerWith(1_000n);
  expect(place(ledger, {})).toMatchObject({ amountNano: 300n });
  expect(place(ledger, { capNano: 200n })).toMatchObject({ amountNano: 300n, holdId: "h1" });
  const laterMs = NOW_MS + LIMITS.holdMs;
  expect(place(ledger, { holdId: "h2", capNano: 200n }, laterMs)).toMatchObject({ amountNano: 200n, holdId: "h2" });
});

test("the same call with the same request gets its open hold again", () => {
  const ledger = ledgerWith(1_000n);
  const first = place(ledger, {});
  expect(place(ledger, { holdId: "h2", routeId: "r2" })).toEqual(first);
  expect(ledger.dump().holds.length).toBe(1);
});

test.each([
  ["another host", { host: "h2" }, "AGENT_NOT_PLACED"],
  ["another agent", { agent: "g2" }, "REQUEST_ID_CONFLICT"],
  ["another model", { model: "other" }, "REQUEST_ID_CONFLICT"],
  ["another estimate", { maxOutputTokens: 101n }, "REQUEST_ID_CONFLICT"],
] as const)("the same call from or with %s is refused", (_what, change, reason) => {
  const ledger = ledgerWith(1_000n);
  place(ledger, {});
  expect(place(ledger, { holdId: "h2", ...change })).toMatchObject({ reason });
  expect(ledger.dump().holds.length).toBe(1);
});

test("a settled call is refused, from its own host and, without telling more, from others", () => {
  const ledger = ledgerWith(1_000n);
  const hold = place(ledger, {}) as HoldRow;
  expect(settle(ledger, hold).outcome).toBe("CREATED");
  expect(place(ledger, { holdId: "h2" })).toMatchObject({ reason: "CALL_SETTLED" });
  expect(place(ledger, { holdId: "h2", host: "h2" })).toMatchObject({ reason: "AGENT_NOT_PLACED" });
});

test("a call whose hold ran out gets a new one, and both of its routes can still be charged once", () => {
  const ledger = ledgerWith(1_000n);
  const first = place(ledger, {}) as HoldRow;
  const laterMs = NOW_MS + LIMITS.holdMs;
  const second = place(ledger, { holdId: "h2" }, laterMs) as HoldRow;
  expect(second.holdId).toBe("h2");
  expect(settle(ledger, first, laterMs)).toMatchObject({
    outcome: "CREATED",
    charge: { holdId: "h1", amountNano: 30n },
  });
  expect(settle(ledger, second, laterMs)).toMatchObject({
    outcome: "REJECTED",
    refusal: { reason: "USAGE_ID_CONFLICT" },
  });
  checkInvariants(ledger.dump(), laterMs);
});

test("without a price there is no hold, however many credits there are", () => {
  const ledger = ledgerWith(10n ** 18n);
  expect(place(ledger, { upstreamModel: "other", canonicalModel: "" })).toMatchObject({ reason: "PRICE_NOT_FOUND" });
  expect(place(memoryLedger(), {})).toMatchObject({ reason: "PRICE_NOT_FOUND" });
});

test("open holds are bounded per account, and holds that ended leave room whether or not anybody swept", () => {
  const ledger = ledgerWith(10n ** 15n);
  for (let i = 0; i < LIMITS.openHoldsPerAccountMax; i += 1) place(ledger, { callId: `c${i}`, holdId: `h${i}` });
  expect(place(ledger, { callId: "more", holdId: "more" })).toMatchObject({
    reason: "TOO_MANY_HOLDS",
    refusal: { metadata: { scope: "account" } },
  });
  const laterMs = NOW_MS + LIMITS.holdMs;
  expect(place(ledger, { callId: "more", holdId: "more" }, laterMs)).toMatchObject({ holdId: "more" });
  expect(ledger.batch(laterMs, (set) => balance(set, "a1", laterMs).heldNano)).toBe(300n);
});

test("open holds are bounded per host over all accounts, by time", () => {
  const ledger = ledgerWith(0n);
  const accounts = LIMITS.openHoldsPerHostMax / LIMITS.openHoldsPerAccountMax;
  ledger.batch(NOW_MS, (set) => {
    for (let a = 0; a <= accounts; a += 1) {
      const account = `x${a}`;
      const grant = { account, grantId: "grant", amountNano: 10n ** 9n, priority: 0, category: "PAID" as const };
      grantCredits(set, { ...grant, effectiveMs: undefined, expireMs: undefined }, NOW_MS);
      for (let i = 0; a < accounts && i < LIMITS.openHoldsPerAccountMax; i += 1)
        placeHold(set, orderOf({ account, callId: `c${i}`, holdId: `${account}h${i}` }), NOW_MS);
    }
  });
  const last = { account: `x${accounts}`, callId: "more", holdId: "more" };
  expect(place(ledger, last)).toMatchObject({ reason: "TOO_MANY_HOLDS", refusal: { metadata: { scope: "host" } } });
  expect(place(ledger, { ...last, host: "h2" })).toMatchObject({ holdId: "more" });
  expect(place(ledger, { ...last, callId: "c", holdId: "m2" }, NOW_MS + LIMITS.holdMs)).toMatchObject({ holdId: "m2" });
});

test("a credit set aside cannot be set aside or spent again: holds never exceed the credits, however many ask", () => {
  const ledger = ledgerWith(10_000n);
  let held = 0n;
  for (let i = 0; i < 60; i += 1) {
    const hold = place(ledger, { callId: `c${i}`, holdId: `h${i}`, minOutputTokens: 100n });
    if (!(hold instanceof PloriError)) held += hold.amountNano;
  }
  expect(held).toBe(9_900n);
  checkInvariants(ledger.dump(), NOW_MS);
});

test("whatever is asked and there is: a hold is the largest that cap and credits both cover, or the refusal names the one that is too small", () => {
  const amount = fc.bigInt({ min: 1n, max: 900n });
  const order = fc.record({
    inputTokens: fc.bigInt({ min: 0n, max: 300n }),
    maxOutputTokens: fc.bigInt({ min: 1n, max: 300n }),
    minOutputTokens: fc.bigInt({ min: 1n, max: 60n }),
  });
  fc.assert(
    fc.property(amount, fc.option(amount, { nil: undefined }), order, (credits, cap, asked) => {
      const outcome = place(ledgerWith(credits), { ...asked, ...(cap === undefined ? {} : { capNano: cap }) });
      const { inputTokens, maxOutputTokens, minOutputTokens } = asked;
      const cost = (output: bigint) => inputTokens + 2n * output;
      const least = cost(minOutputTokens < maxOutputTokens ? minOutputTokens : maxOutputTokens);
      if (outcome instanceof PloriError) {
        expect(outcome.reason).toBe(cap !== undefined && least > cap ? "SPEND_CAP_TOO_LOW" : "CREDITS_EXHAUSTED");
        expect(least > credits || least > (cap ?? least)).toBe(true);
        return;
      }
      const most = cap !== undefined && cap < credits ? cap : credits;
      expect(outcome.amountNano).toBe(cost(outcome.maxOutputTokens));
      expect(outcome.amountNano).toBeLessThanOrEqual(most);
      if (outcome.maxOutputTokens < maxOutputTokens) expect(cost(outcome.maxOutputTokens + 1n)).toBeGreaterThan(most);
    }),
    { numRuns: 300 },
  );
});
