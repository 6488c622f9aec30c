import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PloriError } from "../../../src/base/errors.ts";
import { LIMITS } from "../../../src/base/limits.ts";
import { callOver, recordOf, tokens } from "../fixtures.ts";
import { type OpenLedger, openLedger } from "../open-ledger.ts";

let open: OpenLedger;
beforeEach(async () => {
  open = await openLedger();
});
afterEach(() => open.close());

const report = (call: string, attempt = 1) =>
  recordOf(`u-${call}/${attempt}`, callOver(`r-${call}`, call, { attempt, usage: tokens(50n, 50n) }), {
    occurMs: open.clock.nowMs(),
  });

test("a thousand writers on one account whose credits run out are all answered, never overspend it, and leave an exact sum", async () => {
  const WRITERS = 1_000;
  const COVERED = 600;
  await open.grant(BigInt(COVERED) * 150n + 149n);
  const settled: bigint[] = [];
  const refused: string[] = [];
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, i) => {
      try {
        await open.release(`c${i}`);
      } catch (error) {
        refused.push(error instanceof PloriError ? error.reason : String(error));
        return;
      }
      const [result] = await open.record([report(`c${i}`)]);
      if (result?.outcome !== "CREATED") throw new Error(`${result?.outcome}`);
      settled.push(result.charge.amountNano);
      expect(result.charge.overdraftNano).toBe(0n);
    }),
  );
  expect(settled.length).toBe(COVERED);
  expect(refused.length).toBe(WRITERS - COVERED);
  expect(new Set(refused)).toEqual(new Set(["CREDITS_EXHAUSTED"]));
  expect(await open.ledger.balance("a1")).toMatchObject({
    availableNano: 149n,
    heldNano: 0n,
    spentNano: BigInt(COVERED) * 150n,
    overdraftNano: 0n,
  });
  expect(await open.differences()).toEqual([]);
}, 120_000);

test("sweep, late report, release and a second report of one call may come in any order and share any transaction: the hold is resolved once, and no more comes back than was set aside", async () => {
  type Deed = "sweep" | "report" | "release" | "extend" | "again";
  let turn = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray<Deed>(["sweep", "sweep", "report", "report", "again", "release", "extend"], { minLength: 2 }),
      fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
      async (deeds, waits) => {
        turn += 1;
        const call = `race${turn}`;
        await open.grant(1_000n, `grant${turn}`);
        const before = await open.ledger.balance("a1");
        await open.release(call);
        open.clock.advance(LIMITS.holdMs);
        const ref = { account: "a1", name: `accounts/a1/holds/h-${call}`, host: "h1" };
        const mutation = { audit: { ...AUDIT, timeMs: open.clock.nowMs() } };
        const pending: Promise<unknown>[] = [];
        for (const [index, deed] of deeds.entries()) {
          const done = {
            sweep: () => open.ledger.sweepHolds(),
            report: () => open.record([report(call)]),
            again: () => open.record([report(call, 2)]),
            release: () => open.ledger.releaseHold(ref, mutation).catch(refusalOnly),
            extend: () => open.ledger.extendHold(ref, undefined, mutation).catch(refusalOnly),
          }[deed]();
          pending.push(done);
          if (waits[index]) await done;
        }
        await Promise.all(pending);
        await open.ledger.sweepHolds();
        // What it comes to does not depend on the order: the reports, or the estimate where there is none and nobody gave the hold up.
        const reports = Number(deeds.includes("report")) + Number(deeds.includes("again"));
        const estimate = deeds.includes("report") || deeds.includes("release") || deeds.includes("again") ? 0n : 50n;
        const after = await open.ledger.balance("a1");
        expect(after.spentNano - before.spentNano).toBe(BigInt(reports) * 150n + estimate);
        expect(before.availableNano - after.availableNano).toBe(after.spentNano - before.spentNano);
        expect(after).toMatchObject({ heldNano: 0n, overdraftNano: 0n });
        expect(await open.differences()).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);

const AUDIT = {
  kind: "hold.released",
  caller: "spiffe://dev.plori.internal/agent-host/h1",
  actor: "",
  account: "a1",
  subject: "hold",
  details: {},
} as const;

function refusalOnly(error: unknown): void {
  if (!(error instanceof PloriError)) throw error;
}
