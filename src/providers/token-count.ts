import { LIMITS } from "../base/limits.ts";

/** Why a value in a usage object is no count, and where it stands. */
export interface UsageProblem {
  readonly path: string;
  readonly what: "not_a_number" | "negative" | "fractional" | "too_large";
}

const DECIMAL_TEXT = /^-?\d{1,40}(?:\.\d{1,40})?$/;

/** A token count: a whole number from 0 to the ledger's bound, or its decimal text. Undefined when nothing is told. */
export function readTokenCount(path: string, value: unknown): bigint | undefined | UsageProblem {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "bigint") return inRange(path, value);
  if (typeof value === "string" && !DECIMAL_TEXT.test(value)) return { path, what: "not_a_number" };
  if (typeof value !== "number" && typeof value !== "string") return { path, what: "not_a_number" };
  const number = Number(value);
  if (Number.isNaN(number)) return { path, what: "not_a_number" };
  if (number < 0) return { path, what: "negative" };
  if (number > Number(LIMITS.quantityMax)) return { path, what: "too_large" };
  // Below the bound a double holds every whole number exactly.
  return Number.isInteger(number) ? BigInt(number) : { path, what: "fractional" };
}

function inRange(path: string, value: bigint): bigint | UsageProblem {
  if (value < 0n) return { path, what: "negative" };
  return value > LIMITS.quantityMax ? { path, what: "too_large" } : value;
}
