import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LIMITS } from "../../../src/base/limits.ts";
import type { UsageRecord } from "../../../src/ledger/usage-record.ts";
import { openReader } from "../../../src/store/sqlite/open-database.ts";
import { testMutation } from "../../support/mutation.ts";
import { callOver, item, NOW_MS, recordOf, tokens } from "../fixtures.ts";
import { type OpenLedger, openLedger } from "../open-ledger.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
let open: OpenLedger;
beforeEach(async () => {
  open = await openLedger();
});
afterEach(() => open.close());

const report = (call: string) =>
  recordOf(`u-${call}`, callOver(`r-${call}`, call, { usage: tokens(10n, 5n) }), { occurMs: open.clock.nowMs() });

function holdOf(call: string): Record<string, unknown> {
  const db = openReader(open.path);
  const row = db.prepare("SELECT state, create_ms, expire_ms FROM hold WHERE hold_id = ?").get(`h-${call}`);
  db.close();
  return row as Record<string, unknown>;
}

test("a clock that jumps an hour ahead and back again moves no charge out of its order and ends no hold before its time after that; what it ended too early is charged once it is reported", async () => {
  await open.grant(10_000n);
  await open.release("before");
  await open.disk("d1", 1n);
  open.clock.stepWallTo(NOW_MS + HOUR_MS);
  await open.ledger.sweepHolds();
  await open.disk("d2", 1n);
  expect(holdOf("before")["state"]).toBe("EXPIRED");
  expect(await open.ledger.balance("a1")).toMatchObject({ heldNano: 0n, spentNano: 52n });

  // Back again: time stands still in the ledger until the clock has caught up, and goes on from there.
  open.clock.stepWallTo(NOW_MS + 1_000);
  await open.disk("d3", 1n);
  await open.release("after");
  const { create_ms: createMs, expire_ms: expireMs } = holdOf("after");
  expect(createMs).toBe(BigInt(NOW_MS + HOUR_MS));
  expect(expireMs).toBe(BigInt(NOW_MS + HOUR_MS + LIMITS.holdMs));
  open.clock.advance(LIMITS.holdMs - 1);
  await open.ledger.sweepHolds();
  expect(holdOf("after")["state"]).toBe("OPEN");
  // Late by no more than the clock had jumped.
  open.clock.stepWallTo(NOW_MS + HOUR_MS + LIMITS.holdMs);
  await open.ledger.sweepHolds();
  expect(holdOf("after")["state"]).toBe("EXPIRED");

  for (const call of ["before", "after"]) expect((await open.record([report(call)]))[0]?.outcome).toBe("CREATED");
  expect(await open.ledger.balance("a1")).toMatchObject({ spentNano: 2n * 20n + 3n, heldNano: 0n, overdraftNano: 0n });
  const charges = await open.ledger.chargesAfter("a1", 0, 500);
  const recorded = charges.map(({ recordMs }) => recordMs);
  expect(recorded).toEqual(recorded.toSorted((a, b) => a - b));
  expect(charges.map(({ sequence }) => sequence)).toEqual(charges.map((_, index) => index + 1));
  expect(await open.differences()).toEqual([]);
});

test("a process that died between a route and its report leaves a hold that ends on time, with one estimate for its call, which the report replaces", async () => {
  await open.grant(1_000n);
  await open.release("call");
  await open.restart();
  open.clock.advance(LIMITS.holdMs - 1);
  await open.ledger.sweepHolds();
  expect(await open.ledger.balance("a1")).toMatchObject({ heldNano: 150n, spentNano: 0n, availableNano: 850n });
  await open.restart();
  open.clock.advance(1);
  await open.ledger.sweepHolds();
  await open.ledger.sweepHolds();
  expect(await open.ledger.balance("a1")).toMatchObject({ heldNano: 0n, spentNano: 50n, availableNano: 950n });
  expect(await open.ledger.chargesAfter("a1", 0, 500)).toMatchObject([
    { estimated: true, usageId: "", holdId: "h-call", amountNano: 50n },
  ]);
  await open.restart();
  await open.record([report("call")]);
  expect(await open.ledger.balance("a1")).toMatchObject({ heldNano: 0n, spentNano: 20n, availableNano: 980n });
  expect(await open.differences()).toEqual([]);
});

test("a price that is published between a route and its report changes neither this call nor any charge before it", async () => {
  await open.grant(10_000n);
  await open.release("early");
  await open.release("late");
  const [first] = await open.record([report("early")]);
  const items = [item("INPUT_UNCACHED", 9_000n), item("OUTPUT", 9_000n)];
  await open.ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
  await open.restart();
  const [second] = await open.record([report("late")]);
  expect(second).toMatchObject({ outcome: "CREATED", charge: { amountNano: 20n, priceVersion: 1 } });
  const [replayed] = await open.record([report("early")]);
  expect(replayed).toEqual({ ...first, outcome: "REPLAYED" });
  await open.release("next");
  expect((await open.record([report("next")]))[0]).toMatchObject({ charge: { amountNano: 135n, priceVersion: 2 } });
  expect(await open.differences()).toEqual([]);
});

test("a grant that ends while its call runs still pays what was set aside of it, and paid credits beside it are left alone", async () => {
  await open.grant(150n, "ends", NOW_MS + 60_000);
  await open.grant(1_000n, "paid");
  await open.release("call");
  open.clock.advance(120_000);
  await open.ledger.sweepHolds();
  // What others draw meanwhile comes from the grant that is still there.
  await open.disk("d1", 7n);
  const [result] = await open.record([report("call")]);
  expect(result).toMatchObject({ charge: { allocations: [{ grantId: "ends", amountNano: 20n }], overdraftNano: 0n } });
  expect(await open.ledger.balance("a1")).toMatchObject({ availableNano: 993n, expiredNano: 130n, spentNano: 27n });
  expect(await open.differences()).toEqual([]);
});

/** Usage of 35 days, an event every some hours, at prices that changed in between. */
const events = fc.array(
  fc.record({ ageHours: fc.nat(35 * 24 - 1), byteSeconds: fc.bigInt({ min: 0n, max: 5_000n }) }),
  { minLength: 5, maxLength: 120 },
);

async function recordAll(records: readonly UsageRecord[]) {
  const here = await openLedger(NOW_MS - 40 * DAY_MS);
  try {
    // Each later version holds from ten days after the one before.
    for (const [index, pico] of [1_500n, 2_500n, 700n].entries()) {
      here.clock.stepWallTo(NOW_MS - 30 * DAY_MS + index * 10 * DAY_MS);
      const prices = { items: [item("DISK", pico)], effectiveMs: undefined };
      await here.ledger.publishPrices(prices, testMutation("", "prices.published"));
    }
    expect(await here.ledger.newestPriceVersion()).toMatchObject({ version: 4, effectiveMs: NOW_MS - 10 * DAY_MS });
    here.clock.stepWallTo(NOW_MS);
    await here.grant(10n ** 15n);
    for (let at = 0; at < records.length; at += 25) {
      const results = await here.record(records.slice(at, at + 25), "recorder");
      expect(results.filter(({ outcome }) => outcome !== "CREATED")).toEqual([]);
    }
    expect(await here.differences()).toEqual([]);
    const summed = await here.ledger.summarizeUsage("a1", NOW_MS - 36 * DAY_MS, NOW_MS + DAY_MS, ["HOUR"]);
    const charges = await here.ledger.chargesAfter("a1", 0, 500);
    return {
      balance: { ...(await here.ledger.balance("a1")), grants: undefined },
      hours: summed?.toSorted((a, b) => (a.startMs ?? 0) - (b.startMs ?? 0)),
      amounts: charges.map((charge) => `${charge.usageId} ${charge.amountNano} ${charge.priceVersion}`).toSorted(),
    };
  } finally {
    await here.close();
  }
}

test("events of 35 days that arrive in any order come to the same totals, hour by hour and charge by charge, as in the order in which they happened", async () => {
  await fc.assert(
    fc.asyncProperty(events, fc.infiniteStream(fc.nat()), async (happened, chance) => {
      const sorted = happened
        .toSorted((a, b) => b.ageHours - a.ageHours)
        .map(({ ageHours, byteSeconds }, index) =>
          recordOf(`u${index}`, { kind: "DISK", byteSeconds }, { occurMs: NOW_MS - ageHours * HOUR_MS }),
        );
      const ranks = new Map(sorted.map((record) => [record, chance.next().value ?? 0]));
      const shuffled = sorted.toSorted((a, b) => (ranks.get(a) ?? 0) - (ranks.get(b) ?? 0));
      expect(await recordAll(shuffled)).toEqual(await recordAll(sorted));
    }),
    { numRuns: 4 },
  );
}, 120_000);
