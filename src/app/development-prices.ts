import type { CreditValue } from "../ledger/credit-value.ts";
import type { NewPrices, ProposedItem } from "../ledger/publish-prices.ts";
import type { Component } from "../ledger/rows.ts";
import type { Catalogue } from "../router/catalogue.ts";
import { cataloguePrices } from "./catalogue-prices.ts";

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

/** The price book that the development profile starts with: every hosted model of the catalogue at this value, and compute and disk. */
export function developmentPrices(catalogue: Catalogue, value: CreditValue): NewPrices {
  const models = cataloguePrices(catalogue, value);
  return { items: [...METER_PRICES, ...models], effectiveMs: undefined };
}

function meter(component: Component, pricePico: bigint, unitCount: bigint): ProposedItem {
  return { component, provider: "", model: "", minInputTokens: 0n, pricePico, unitCount };
}
