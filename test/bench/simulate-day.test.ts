import fc from "fast-check";
import { expect, test } from "vitest";
import { LeaseTable } from "./lease-table.ts";
import { simulateDay, USUAL_DAY } from "./simulate-day.ts";

const REUSE_MS = 300_000;

test("the same day is lived in the same way every time, and another seed is another day", () => {
  const day = simulateDay(USUAL_DAY);
  expect(simulateDay(USUAL_DAY)).toEqual(day);
  expect(simulateDay({ ...USUAL_DAY, seed: 7 })).not.toEqual(day);
  expect(day.calls).toBeGreaterThan(10_000);
  expect(day.resolves).toBeGreaterThan(0);
  expect(day.resolves).toBeLessThan(day.calls);
  expect(day.revokedLeases).toBeGreaterThan(0);
});

test("a day on which calls are far apart is resolved call by call", () => {
  const { calls, resolves } = simulateDay({
    ...USUAL_DAY,
    fanOutShare: 0,
    turnMinMs: REUSE_MS,
    turnMeanMs: REUSE_MS * 2,
  });
  expect(resolves).toBe(calls);
});

test("no lease is used when its time is over, after a revocation of its account, or after the end of its agent", () => {
  const steps = fc.array(
    fc.record({
      afterMs: fc.integer({ min: 0, max: REUSE_MS }),
      kind: fc.constantFrom("use", "use", "use", "revoke", "end"),
      account: fc.constantFrom("a", "b"),
      agent: fc.constantFrom("1", "2"),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const table = new LeaseTable(REUSE_MS);
      /** When each agent last asked; absent once that no longer counts. */
      const asked = new Map<string, number>();
      let nowMs = 0;
      for (const { afterMs, kind, account, agent } of list) {
        nowMs += afterMs;
        const name = `${account}/${agent}`;
        if (kind === "use") {
          const since = asked.get(name);
          const usable = since !== undefined && nowMs < since + REUSE_MS;
          expect(table.use(account, `${name}/main`, nowMs)).toBe(usable);
          if (!usable) asked.set(name, nowMs);
        } else if (kind === "revoke") {
          table.revoke(account, nowMs);
          for (const one of ["1", "2"]) asked.delete(`${account}/${one}`);
        } else {
          table.endAgent(name);
          asked.delete(name);
        }
      }
    }),
  );
});
