import type { NewPrices, ProposedItem } from "../ledger/publish-prices.ts";
import type { Component } from "../ledger/rows.ts";
import type { Catalogue } from "../router/catalogue.ts";
import { cataloguePrices } from "./catalogue-prices.ts";

/** In development a hundred credits stand for a US dollar. */
const CREDITS_PER_USD_NANO = 100_000_000_000n;
const MS_PER_HOUR = 3_600_000n;
const MIB_PER_GIB = 1024n;
const BYTES_PER_GIB = 1_073_741_824n;
const SECONDS_PER_MONTH = 2_592_000n;

/** 4 credits a vCPU hour, half a credit a GiB hour of memory, a tenth of a credit a GiB month of disk. */
const METER_PRICES: readonly ProposedItem[] = [
  meter("VCPU", 4_000_000_000_000n, MS_PER_HOUR),
  meter("MEMORY", 500_000_000_000n, MIB_PER_GIB * MS_PER_HOUR),
  meter("DISK", 100_000_000_000n, BYTES_PER_GIB * SECONDS_PER_MONTH),
];

/** The price book that the development profile starts with: every hosted model of the catalogue at its list price, and compute and disk. */
export function developmentPrices(catalogue: Catalogue): NewPrices {
  const models = cataloguePrices(catalogue, { creditsPerUsdNano: CREDITS_PER_USD_NANO, markupPercent: 0 });
  return { items: [...METER_PRICES, ...models], effectiveMs: undefined };
}

function meter(component: Component, pricePico: bigint, unitCount: bigint): ProposedItem {
  return { component, provider: "", model: "", minInputTokens: 0n, pricePico, unitCount };
}
