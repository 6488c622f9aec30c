import { beforeEach, expect, test } from "vitest";
import { LIMITS } from "../../src/base/limits.ts";
import { balance } from "../../src/ledger/balance.ts";
import { extendHold } from "../../src/ledger/extend-hold.ts";
import { holdName } from "../../src/ledger/find-authority.ts";
import { grantCredits, type NewGrant } from "../../src/ledger/grant-credits.ts";
import { placeHold } from "../../src/ledger/place-hold.ts";
import { publishPrices } from "../../src/ledger/publish-prices.ts";
import { recordUsage } from "../../src/ledger/record-usage.ts";
import { releaseHold } from "../../src/ledger/release-hold.ts";
import { reverseCharge } from "../../src/ledger/reverse-charge.ts";
import type { ChargeRow, HoldRow } from "../../src/ledger/rows.ts";
import { voidGrant } from "../../src/ledger/void-grant.ts";
import {
  callOver,
  HOST,
  item,
  NO_TOKENS,
  NOW_MS,
  orderOf,
  RECORDER,
  recordOf,
  routeOfHold,
  tokens,
} from "./fixtures.ts";
import { checkInvariants } from "./invariants.ts";
import { memoryLedger, type TestLedger } from "./tables.ts";

const MINUTE_MS = 60_000;
let ledger: TestLedger;

beforeEach(() => {
  ledger = memoryLedger();
  const items = [item("INPUT_UNCACHED", 1_000n), item("OUTPUT", 2_000n), item("DISK", 1_000n)];
  ledger.batch(NOW_MS, (set) => publishPrices(set, { items, effectiveMs: undefined }, NOW_MS));
  give({ grantId: "first", amountNano: 1_000n });
});

function give(rest: Partial<NewGrant>, nowMs = NOW_MS): void {
  const grant: NewGrant = {
    account: "a1",
    grantId: "g",
    amountNano: 1n,
    priority: 0,
    category: "PAID",
    effectiveMs: undefined,
    expireMs: undefined,
    ...rest,
  };
  ledger.batch(nowMs, (set) => grantCredits(set, grant, nowMs));
}

/** A hold for 100 input and 100 output tokens: 300 nano-credits, of which the input is 100. */
function hold(callId = "call", holdId = "h1", nowMs = NOW_MS): HoldRow {
  const placed = ledger.batch(nowMs, (set) => placeHold(set, orderOf({ account: "a1", callId, holdId }), nowMs));
  ledger.addRoute(routeOfHold(placed));
  return placed;
}

function report(nowMs: number, usageId = "u1", routeId = "r-h1", attempt = 1): ChargeRow {
  const usage = recordOf(usageId, callOver(routeId, "call", { attempt, usage: tokens(20n, 10n) }), { occurMs: nowMs });
  const result = ledger.batch(nowMs, (set) => recordUsage(set, usage, HOST, nowMs));
  if (result.outcome === "REJECTED") throw new Error(result.refusal.message);
  return result.charge;
}

function spend(byteSeconds: bigint, usageId: string, nowMs = NOW_MS): ChargeRow {
  const usage = recordOf(usageId, { kind: "DISK", byteSeconds }, { occurMs: nowMs });
  const result = ledger.batch(nowMs, (set) => recordUsage(set, usage, RECORDER, nowMs));
  if (result.outcome === "REJECTED") throw new Error(result.refusal.message);
  return result.charge;
}

const ref = (holdId = "h1", host = "h1") => ({ account: "a1", name: holdName("a1", holdId), host });
const release = (nowMs: number, which = ref()) => ledger.batch(nowMs, (set) => releaseHold(set, which, nowMs));
const extend = (nowMs: number, used?: bigint) =>
  ledger.batch(nowMs, (set) =>
    extendHold(set, ref(), used === undefined ? undefined : { ...NO_TOKENS, inputUncached: used }, nowMs),
  );
const reverse = (sequence: number, nowMs = NOW_MS) =>
  ledger.batch(nowMs, (set) => reverseCharge(set, { account: "a1", sequence }, nowMs));
const takeBack = (grantId: string, nowMs = NOW_MS) =>
  ledger.batch(nowMs, (set) => voidGrant(set, { account: "a1", grantId }, nowMs));
function pool(nowMs: number) {
  const now = ledger.batch(nowMs, (set) => balance(set, "a1", nowMs));
  checkInvariants(ledger.dump(), nowMs);
  return now;
}
const reason = (name: string) => expect.objectContaining({ reason: name });

test("a call that is never reported is charged at the input that its hold assumed, when the hold ends, and says that it is an estimate", () => {
  hold();
  expect(pool(NOW_MS + LIMITS.holdMs - 1)).toMatchObject({ heldNano: 300n, spentNano: 0n });
  expect(pool(NOW_MS + LIMITS.holdMs)).toMatchObject({ heldNano: 0n, spentNano: 100n, availableNano: 900n });
  expect(ledger.dump().charges).toMatchObject([
    { estimated: true, amountNano: 100n, usageId: "", holdId: "h1", callId: "call", attempt: 0, occurMs: NOW_MS },
  ]);
});

test("a later exact report stands in place of the estimate: reversal and exact charge, one for the call", () => {
  hold();
  pool(NOW_MS + LIMITS.holdMs);
  const exact = report(NOW_MS + 2 * LIMITS.holdMs);
  expect(exact).toMatchObject({ amountNano: 40n, estimated: false, holdId: "h1", sequence: 3 });
  expect(ledger.dump().charges).toMatchObject([{ sequence: 1 }, { amountNano: -100n, reverses: 1 }, { sequence: 3 }]);
  expect(pool(NOW_MS + 2 * LIMITS.holdMs)).toMatchObject({ spentNano: 40n, availableNano: 960n });
  expect(report(NOW_MS + 2 * LIMITS.holdMs)).toEqual(exact);
});

test("an estimate that was undone by hand is not undone again by the exact report", () => {
  hold();
  pool(NOW_MS + LIMITS.holdMs);
  reverse(1, NOW_MS + LIMITS.holdMs);
  report(NOW_MS + LIMITS.holdMs);
  expect(pool(NOW_MS + LIMITS.holdMs)).toMatchObject({ spentNano: 40n, availableNano: 960n });
});

test("a call that goes on under a new hold is not charged for both, and one that was reported is not estimated", () => {
  hold();
  const later = NOW_MS + LIMITS.holdMs;
  hold("call", "h2", later);
  expect(pool(later)).toMatchObject({ spentNano: 0n, heldNano: 300n });
  report(later, "u1", "r-h1");
  expect(pool(later + LIMITS.holdMs)).toMatchObject({ spentNano: 40n, heldNano: 0n });
});

test("an extended hold lives on, at most four hours in all, and is estimated by what its host last said", () => {
  hold();
  const after = NOW_MS + 10 * MINUTE_MS;
  expect(extend(after, 150n)).toMatchObject({ expireMs: after + LIMITS.holdMs });
  expect(pool(NOW_MS + LIMITS.holdMs)).toMatchObject({ heldNano: 300n });
  for (let at = after; at < NOW_MS + LIMITS.holdLifeMaxMs; at += 10 * MINUTE_MS) extend(at);
  expect(ledger.dump().holds).toMatchObject([{ expireMs: NOW_MS + LIMITS.holdLifeMaxMs, state: "OPEN" }]);
  expect(pool(NOW_MS + LIMITS.holdLifeMaxMs)).toMatchObject({ heldNano: 0n, spentNano: 150n });
  expect(() => extend(NOW_MS + LIMITS.holdLifeMaxMs)).toThrow(reason("HOLD_NOT_OPEN"));
});

test("an extended hold still counts among its host's open ones after the others ended", () => {
  hold("call", "h1");
  hold("other", "h2");
  extend(NOW_MS + MINUTE_MS);
  const at = NOW_MS + LIMITS.holdMs;
  expect(ledger.batch(at, (set) => set.openHoldsOfHost("h1", at))).toBe(1);
});

test("a released hold gives everything back, once; usage that comes all the same is charged", () => {
  hold();
  expect(release(NOW_MS)).toMatchObject({ state: "RELEASED" });
  expect(release(NOW_MS)).toMatchObject({ state: "RELEASED" });
  expect(pool(NOW_MS)).toMatchObject({ heldNano: 0n, availableNano: 1_000n });
  expect(() => extend(NOW_MS)).toThrow(reason("HOLD_NOT_OPEN"));
  report(NOW_MS);
  expect(pool(NOW_MS)).toMatchObject({ spentNano: 40n });
  expect(() => release(NOW_MS)).toThrow(reason("CALL_SETTLED"));
  expect(() => extend(NOW_MS)).toThrow(reason("CALL_SETTLED"));
});

test("releasing a hold that ran out undoes its estimate", () => {
  hold();
  release(NOW_MS + LIMITS.holdMs);
  expect(pool(NOW_MS + LIMITS.holdMs)).toMatchObject({ spentNano: 0n, availableNano: 1_000n });
});

test("another host's hold looks like one that does not exist", () => {
  hold();
  for (const which of [ref("h1", "h2"), ref("none"), { ...ref(), name: "h1" }, { ...ref(), account: "a2" }])
    expect(() => release(NOW_MS, which)).toThrow(reason("HOLD_NOT_FOUND"));
});

test("a charge that was undone gives each grant back what it had paid, the last one first, and is undone once", () => {
  give({ grantId: "second", amountNano: 500n, priority: 1 });
  const charge = spend(1_200n, "d1");
  expect(charge.allocations.map(({ grantId }) => grantId)).toEqual(["first", "second"]);
  const reversal = reverse(charge.sequence);
  expect(reversal).toMatchObject({ amountNano: -1_200n, reverses: 1, usageId: "", sequence: 2 });
  expect(reversal.allocations).toEqual([
    { grantId: "second", amountNano: -200n },
    { grantId: "first", amountNano: -1_000n },
  ]);
  expect(pool(NOW_MS)).toMatchObject({ spentNano: 0n, availableNano: 1_500n });
  expect(ledger.dump().rollups.reduce((sum, row) => sum + row.quantities.DISK, 0n)).toBe(0n);
  expect(() => reverse(1)).toThrow(reason("CHARGE_REVERSED"));
  expect(() => reverse(2)).toThrow(reason("CHARGE_REVERSED"));
  expect(() => reverse(9)).toThrow(reason("CHARGE_NOT_FOUND"));
  // The usage stays recorded: the same record gives the first charge again and costs nothing.
  expect(spend(1_200n, "d1")).toEqual(charge);
  expect(pool(NOW_MS)).toMatchObject({ spentNano: 0n });
});

test("what an ended grant gets back ends with it, what a voided one gets back is taken back, and paid credits are untouched", () => {
  give({ grantId: "ends", amountNano: 100n, priority: 0, expireMs: NOW_MS + 1 });
  spend(150n, "d1");
  takeBack("first");
  expect(pool(NOW_MS)).toMatchObject({ voidedNano: 950n, availableNano: 0n });
  reverse(1, NOW_MS + 1);
  expect(pool(NOW_MS + 1)).toMatchObject({ expiredNano: 100n, voidedNano: 1_000n, spentNano: 0n, availableNano: 0n });
});

test("overdraft that a later grant made good goes back to that grant when its charge is undone", () => {
  spend(1_300n, "d1");
  expect(pool(NOW_MS)).toMatchObject({ overdraftNano: 300n });
  give({ grantId: "later", amountNano: 500n });
  expect(pool(NOW_MS)).toMatchObject({ overdraftNano: 0n, availableNano: 200n });
  reverse(1);
  expect(pool(NOW_MS)).toMatchObject({ overdraftNano: 0n, spentNano: 0n, availableNano: 1_500n });
  expect(ledger.dump().grants.map(({ grantId, remainingNano }) => [grantId, remainingNano])).toEqual([
    ["first", 1_000n],
    ["later", 500n],
  ]);
});

test("a voided grant gives nothing any more, but what was set aside of it stays the call's own", () => {
  hold();
  expect(takeBack("first")).toMatchObject({ remainingNano: 300n, pinnedNano: 300n, voidMs: NOW_MS });
  expect(takeBack("first", NOW_MS + 5)).toMatchObject({ voidMs: NOW_MS });
  expect(pool(NOW_MS)).toMatchObject({ availableNano: 0n, heldNano: 300n, voidedNano: 700n });
  report(NOW_MS);
  expect(pool(NOW_MS)).toMatchObject({ spentNano: 40n, overdraftNano: 0n, voidedNano: 960n });
  expect(() => takeBack("none")).toThrow(reason("GRANT_NOT_FOUND"));
});
