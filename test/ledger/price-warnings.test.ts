import { expect, test } from "vitest";
import type { PriceItem } from "../../src/ledger/price-book.ts";
import { priceWarnings } from "../../src/ledger/price-warnings.ts";

function price(pricePico: bigint, unitCount = 1n, minInputTokens = 0n): PriceItem {
  return { component: "OUTPUT", provider: "openai", model: "m", minInputTokens, pricePico, unitCount };
}
const texts = (proposed: PriceItem[], inForce: PriceItem[]) =>
  priceWarnings(proposed, inForce).map(({ index, text }) => `${index} ${text}`);

test.each([
  ["ten times as much is still believed", [price(100n)], [price(10n)], []],
  ["more than that is not", [price(101n)], [price(10n)], ["0 changes more than tenfold"]],
  ["nor is less than a tenth", [price(9n)], [price(91n)], ["0 changes more than tenfold"]],
  ["by another unit the same price is the same", [price(1_000_000n, 1_000_000n)], [price(1n)], []],
  ["a price that vanishes", [price(0n)], [price(10n)], ["0 becomes free"]],
  ["a price that appears", [price(10n)], [price(0n)], ["0 was free"]],
  ["a new price of nothing", [price(0n)], [], ["0 is free"]],
  ["a new price", [price(10n)], [], []],
  [
    "long calls cheaper, in one proposal",
    [price(10n), price(9n, 1n, 5n)],
    [],
    ["1 is cheaper for long calls than for short ones"],
  ],
  [
    "long calls cheaper than what is in force",
    [price(9n, 1n, 5n)],
    [price(10n)],
    ["0 is cheaper for long calls than for short ones"],
  ],
  ["long calls dearer", [price(11n, 1n, 5n)], [price(10n)], []],
])("%s", (_what, proposed, inForce, expected) => {
  expect(texts(proposed, inForce)).toEqual(expected);
});

test("at most fifty warnings are told", () => {
  const many = Array.from({ length: 80 }, (_, i) => ({ ...price(0n), model: `m${i}` }));
  expect(priceWarnings(many, []).length).toBe(50);
});
