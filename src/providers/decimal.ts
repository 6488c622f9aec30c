import { divideHalfEven } from "../base/credits.ts";

const DECIMAL = /^(-?)(\d{1,40})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/;

/**
 * `value × 10^exponent` as a whole number, rounded half to even: decimal arithmetic on the number as it is written, so that 0.1 is a tenth.
 * Takes a finite number or its decimal text (at most 40 digits before and after the point); undefined for anything else.
 */
export function scaleDecimal(value: unknown, exponent: number): bigint | undefined {
  if (typeof value !== "number" && typeof value !== "string" && typeof value !== "bigint") return undefined;
  const match = DECIMAL.exec(String(value));
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", power = "0"] = match;
  const digits = BigInt(`${sign}${whole}${fraction}`);
  const shift = exponent + Number(power) - fraction.length;
  return shift >= 0 ? digits * 10n ** BigInt(shift) : divideHalfEven(digits, 10n ** BigInt(-shift));
}
