import { expect, test } from "vitest";
import { decimalText } from "../../src/base/decimal-text.ts";

test.each([
  [0n, 12, "0"],
  [1n, 12, "0.000000000001"],
  [12_500n, 3, "12.5"],
  [12_000n, 3, "12"],
  [7n, 0, "7"],
  [2n ** 63n - 1n, 12, "9223372.036854775807"],
])("%s parts of 10^-%i are %s", (value, places, text) => {
  expect(decimalText(value, places)).toBe(text);
});
