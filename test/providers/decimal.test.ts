import fc from "fast-check";
import { expect, test } from "vitest";
import { scaleDecimal } from "../../src/providers/decimal.ts";

test("a number is scaled as it is written, not as a double holds it", () => {
  expect(scaleDecimal(0.1, 9)).toBe(100_000_000n);
  expect(scaleDecimal(1e-7, 9)).toBe(100n);
  expect(scaleDecimal("0.0000000005", 9)).toBe(0n);
  expect(scaleDecimal("0.0000000015", 9)).toBe(2n);
  expect(scaleDecimal(-2.5, 0)).toBe(-2n);
  expect(scaleDecimal(1e21, 9)).toBe(10n ** 30n);
});

test("what is no decimal number is undefined", () => {
  for (const value of [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "",
    "1,5",
    "0x10",
    "1e999",
    "9".repeat(41),
    null,
    true,
    {},
  ]) {
    expect(scaleDecimal(value, 9)).toBeUndefined();
  }
});

test("whole nanos survive the way through decimal text", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }), (nano) => {
      const digits = (nano < 0n ? -nano : nano).toString().padStart(10, "0");
      const text = `${nano < 0n ? "-" : ""}${digits.slice(0, -9)}.${digits.slice(-9)}`;
      expect(scaleDecimal(text, 9)).toBe(nano);
    }),
  );
});
