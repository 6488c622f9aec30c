import fc from "fast-check";
import { expect, test } from "vitest";
import { grantCredits } from "../../src/ledger/grant-credits.ts";
import { publishPrices } from "../../src/ledger/publish-prices.ts";
import { recordUsage } from "../../src/ledger/record-usage.ts";
import type { UsageRecord } from "../../src/ledger/usage-record.ts";
import { callOver, item, NOW_MS, RECORDER, recordOf, routeOf, tokens } from "./fixtures.ts";
import { checkInvariants } from "./invariants.ts";
import { sqliteLedger } from "./sqlite-tables.ts";
import { type Dump, memoryLedger, type TestLedger } from "./tables.ts";

const usage = fc.oneof(
  fc.record({ kind: fc.constant("DISK" as const), byteSeconds: fc.bigInt({ min: 0n, max: 3_000n }) }),
  fc.bigInt({ min: 0n, max: 3_000n }).map((count) => callOver("byok", `c${count}`, { usage: tokens(count, 1n) })),
);

/** Records the usage in batches that end after the given indexes, then some of it again. */
function recordAll(
  ledger: TestLedger,
  records: readonly UsageRecord[],
  cuts: readonly number[],
  again: readonly number[],
): void {
  ledger.addRoute(routeOf({ routeId: "byok", account: "a1" }));
  ledger.batch(NOW_MS, (set) => {
    const items = [item("DISK", 1_500n), item("INPUT_UNCACHED", 1_500n), item("OUTPUT", 700n)];
    publishPrices(set, { items, effectiveMs: undefined }, NOW_MS);
    for (const [grantId, priority] of [
      ["late", 2],
      ["early", 1],
    ] as const)
      grantCredits(
        set,
        {
          account: "a1",
          grantId,
          amountNano: 9_000n,
          priority,
          category: "PAID",
          effectiveMs: undefined,
          expireMs: undefined,
        },
        NOW_MS,
      );
  });
  const twice = [...records, ...again.map((index) => records[index % records.length] as UsageRecord)];
  let batch: UsageRecord[] = [];
  for (const [index, record] of twice.entries()) {
    batch.push(record);
    if (!cuts.includes(index) && index < twice.length - 1) continue;
    const taken = batch;
    batch = [];
    ledger.batch(NOW_MS, (set) => taken.map((one) => recordUsage(set, one, RECORDER, NOW_MS)));
  }
  checkInvariants(ledger.dump(), NOW_MS);
}

function summed(dump: Dump) {
  const rollups = new Map<string, [bigint, number]>();
  for (const { hour, kind, payer, model, amountNano, charges } of dump.rollups) {
    const key = `${hour}/${kind}/${payer}/${model}`;
    const [amount, count] = rollups.get(key) ?? [0n, 0];
    rollups.set(key, [amount + amountNano, count + charges]);
  }
  const grants = dump.grants.toSorted((a, b) => (a.grantId < b.grantId ? -1 : 1));
  // Only what writes rows to a file keeps their digests.
  const pools = dump.pools.map((pool) => ({ ...pool, chargeDigest: "" }));
  return { ...dump, pools, grants, rollups };
}

test("however records are split into batches, and however often they come again, in memory and on SQLite, the same stands in the ledger", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(usage, {
        minLength: 1,
        maxLength: 25,
        selector: (used) => (used.kind === "DISK" ? used : used.callId),
      }),
      fc.array(fc.nat(40)),
      fc.array(fc.nat(40), { maxLength: 10 }),
      (used, cuts, again) => {
        const records = used.map((one, index) => recordOf(`u${index}`, one));
        const whole = memoryLedger();
        recordAll(whole, records, [], []);
        const split = memoryLedger();
        recordAll(split, records, cuts, again);
        const stored = sqliteLedger();
        try {
          recordAll(stored, records, cuts, again);
          expect(summed(split.dump())).toEqual(summed(whole.dump()));
          expect(summed(stored.dump())).toEqual(summed(whole.dump()));
        } finally {
          stored.close();
        }
      },
    ),
    { numRuns: 40 },
  );
});
