import { expect, test } from "vitest";
import { createHostedPrices } from "../../src/app/hosted-prices.ts";
import type { PriceItem, PriceVersion } from "../../src/ledger/price-book.ts";
import type { Component } from "../../src/ledger/rows.ts";

const MODEL = { provider: "openai", upstreamModel: "gpt-1", canonicalModel: "openai/gpt-1" } as const;

function item(component: Component, pricePico: bigint, changes: Partial<PriceItem> = {}): PriceItem {
  return {
    component,
    provider: "",
    model: "openai/gpt-1",
    minInputTokens: 0n,
    pricePico,
    unitCount: 1_000_000n,
    ...changes,
  };
}

/** A ledger with these versions, each effective from a time; counts the books that were read. */
function openPrices(...versions: readonly { readonly effectiveMs: number; readonly items: readonly PriceItem[] }[]) {
  const all = versions.map(({ effectiveMs, items }, index) => {
    const version: PriceVersion = {
      version: index + 1,
      contentHash: "",
      effectiveMs,
      publishMs: effectiveMs,
      itemCount: items.length,
    };
    return { version, items };
  });
  let booksRead = 0;
  const prices = createHostedPrices({
    newestPriceVersion: async () => all.at(-1)?.version,
    async listPrices(version, offset, limit) {
      const found = all.find((known) => known.version.version === version);
      if (limit > 0) booksRead += 1;
      return found && { version: found.version, items: found.items.slice(offset, offset + limit) };
    },
  });
  return { prices, booksRead: () => booksRead };
}

test("a price is told for a million tokens, of calls that are not long, and only when input and output have one", async () => {
  const { prices } = openPrices({
    effectiveMs: 1,
    items: [
      item("INPUT_UNCACHED", 3n, { unitCount: 1n }),
      item("INPUT_UNCACHED", 9n, { unitCount: 1n, minInputTokens: 200_001n }),
      item("OUTPUT", 15n),
      item("CACHE_READ", 1n, { provider: "openai", model: "gpt-1" }),
      item("OUTPUT", 15n, { model: "half/priced" }),
    ],
  });
  const priceOf = await prices.inForce(1);
  expect(priceOf(MODEL)).toEqual({ inputPico: 3_000_000n, outputPico: 15n, cacheReadPico: 1n });
  expect(priceOf({ ...MODEL, upstreamModel: "x", canonicalModel: "half/priced" })).toBeUndefined();
  expect(priceOf({ ...MODEL, canonicalModel: "" })).toBeUndefined();
});

test("the version in force counts, not one that comes later; nothing published is nothing priced", async () => {
  const items = (pico: bigint) => [item("INPUT_UNCACHED", pico), item("OUTPUT", pico)];
  const { prices, booksRead } = openPrices(
    { effectiveMs: 10, items: items(1n) },
    { effectiveMs: 20, items: items(2n) },
    { effectiveMs: 30, items: items(3n) },
  );
  expect((await prices.inForce(9))(MODEL)).toBeUndefined();
  expect((await prices.inForce(25))(MODEL)?.inputPico).toBe(2n);
  expect((await prices.inForce(29))(MODEL)?.inputPico).toBe(2n);
  expect(booksRead()).toBe(1);
  expect((await prices.inForce(30))(MODEL)?.inputPico).toBe(3n);
  expect((await openPrices().prices.inForce(30))(MODEL)).toBeUndefined();
});
