import { randomInt } from "node:crypto";

const STEPS = 2 ** 32;

/** A number from 0 up to 1, by chance: for waits that should not all end together. */
export function chance(): number {
  return randomInt(STEPS) / STEPS;
}
