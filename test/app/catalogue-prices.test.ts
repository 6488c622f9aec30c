import { expect, test } from "vitest";
import { cataloguePrices } from "../../src/app/catalogue-prices.ts";
import { developmentPrices } from "../../src/app/development-prices.ts";
import { priceWarnings } from "../../src/ledger/price-warnings.ts";
import type { Component } from "../../src/ledger/rows.ts";
import { CATALOGUE, type Catalogue } from "../../src/router/catalogue.ts";

const CREDIT = 1_000_000_000n;

function oneModel(input: number, output: number): Catalogue {
  const listPrice = { input, output, long: { input: input * 2, output, aboveInputTokens: 1_000 } };
  const hosting = { contextTokens: 1, maxOutputTokens: 1, listPrice };
  return { ...CATALOGUE, models: [{ id: "a/m", displayName: "m", ids: {}, hosting }] };
}

test("a list price becomes credits exactly: dollars times their value times the markup", () => {
  const items = cataloguePrices(oneModel(0.25, 10), { creditsPerUsdNano: 100n * CREDIT, markupPercent: 20 });
  const pico = (component: Component, from: bigint) =>
    items.find((item) => item.component === component && item.minInputTokens === from)?.pricePico;
  expect(pico("INPUT_UNCACHED", 0n)).toBe(30_000_000_000_000n);
  expect(pico("INPUT_UNCACHED", 1_001n)).toBe(60_000_000_000_000n);
  expect(pico("OUTPUT", 0n)).toBe(1_200_000_000_000_000n);
  expect(items.every(({ unitCount }) => unitCount === 1_000_000n)).toBe(true);
});

test("a price that is not nothing never becomes nothing, and one that is stays so", () => {
  const items = cataloguePrices(oneModel(0.000001, 0), { creditsPerUsdNano: 1n, markupPercent: 0 });
  expect(items.map(({ pricePico }) => pricePico)).toContain(1n);
  expect(items.filter(({ component }) => component === "OUTPUT").map(({ pricePico }) => pricePico)).toEqual([0n, 0n]);
});

test("the catalogue's own prices hold no slip: no long call is cheaper than a short one", () => {
  const items = developmentPrices(CATALOGUE, { creditsPerUsdNano: 100n * CREDIT, markupPercent: 0 }).items.flatMap(
    (item) => (item.component === undefined ? [] : [{ ...item, component: item.component, provider: "" as const }]),
  );
  expect(items.length).toBeGreaterThan(100);
  expect(priceWarnings(items, []).filter(({ text }) => text !== "is free")).toEqual([]);
});
