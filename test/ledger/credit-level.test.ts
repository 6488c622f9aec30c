import fc from "fast-check";
import { expect, test } from "vitest";
import { type CreditLevel, judgeCredits, levelEventKind } from "../../src/ledger/credit-level.ts";

const LOW = 1_000n;

/** The events of an account whose credits go through these amounts; a negative one is overdraft. */
function told(lefts: readonly bigint[], lowNano = LOW): string[] {
  let level: CreditLevel = "ENOUGH";
  return lefts.flatMap((left) => {
    const judged = { leftNano: left > 0n ? left : 0n, overdraftNano: left < 0n ? -left : 0n };
    const after = judgeCredits(level, judged, lowNano);
    if (after === level) return [];
    const kind = levelEventKind(level, after);
    level = after;
    return [kind];
  });
}

test.each([
  ["spent little by little", [2_000n, 1_000n, 999n, 500n, 1n, 0n, -5n], ["CREDITS_LOW", "CREDITS_EXHAUSTED"]],
  ["spent at once", [2_000n, 0n], ["CREDITS_EXHAUSTED"]],
  ["given what is low", [500n], ["CREDITS_LOW"]],
  ["low, then filled up", [500n, 1_250n, 999n], ["CREDITS_LOW", "CREDITS_RESTORED", "CREDITS_LOW"]],
  ["low, then a little more than the line", [500n, 1_249n, 999n, 1_249n, 400n], ["CREDITS_LOW"]],
  ["exhausted, then more than the line", [0n, 1_000n, 999n], ["CREDITS_EXHAUSTED", "CREDITS_RESTORED", "CREDITS_LOW"]],
  ["exhausted, then a little", [-1n, 10n, 0n], ["CREDITS_EXHAUSTED", "CREDITS_RESTORED", "CREDITS_EXHAUSTED"]],
  ["exhausted, then next to nothing, again and again", [0n, 9n, 0n, 9n, 0n], ["CREDITS_EXHAUSTED"]],
])("%s", (_what, lefts, events) => {
  expect(told(lefts)).toEqual(events);
});

test("without a line nothing is low, and what ran out is told all the same", () => {
  expect(told([5n, 1n, 0n, 1n, -3n], 0n)).toEqual(["CREDITS_EXHAUSTED", "CREDITS_RESTORED", "CREDITS_EXHAUSTED"]);
});

test("credits that only go down are told of at most twice, and those that tremble by a tenth around the line once", () => {
  const amount = fc.bigInt(-5_000n, 5_000n);
  fc.assert(
    fc.property(fc.array(amount, { maxLength: 50 }), (amounts) => {
      const falling = amounts.toSorted((a, b) => (a < b ? 1 : -1));
      expect(told(falling).length).toBeLessThanOrEqual(2);
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.bigInt(900n, 1_100n), { maxLength: 50 }), (amounts) => {
      expect(told(amounts).length).toBeLessThanOrEqual(1);
    }),
  );
});

test("the last event always tells how the account stands", () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt(-3_000n, 3_000n), { minLength: 1, maxLength: 50 }), (lefts) => {
      const last = told(lefts).at(-1);
      const left = lefts.at(-1) ?? 0n;
      if (left <= 0n) expect(last).toBe("CREDITS_EXHAUSTED");
      if (left >= 1_250n) expect([undefined, "CREDITS_RESTORED"]).toContain(last);
      if (left >= 10n && left < 1_000n) expect(["CREDITS_LOW", "CREDITS_RESTORED"]).toContain(last);
    }),
  );
});
