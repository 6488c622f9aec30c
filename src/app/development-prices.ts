import { invariant } from "../base/errors.ts";
import type { NewPrices, ProposedItem } from "../ledger/publish-prices.ts";
import type { Component } from "../ledger/rows.ts";
import { scaleDecimal } from "../providers/decimal.ts";
import type { ListPrice, UsdPerMillionTokens } from "../router/catalogue/catalogue-model.ts";
import type { Catalogue } from "../router/catalogue.ts";

/** In development a hundred credits stand for a US dollar. */
const CREDITS_PER_USD_EXPONENT = 2;
const PICO_EXPONENT = 12;
const TOKENS_PER_UNIT = 1_000_000n;
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
  const models = catalogue.models.flatMap((model) =>
    model.hosting === undefined ? [] : priceModel(model.id, model.hosting.listPrice),
  );
  return { items: [...METER_PRICES, ...models], effectiveMs: undefined };
}

function priceModel(model: string, price: ListPrice): ProposedItem[] {
  const { long } = price;
  return [
    ...priceTier(model, price, 0n),
    ...(long === undefined ? [] : priceTier(model, long, BigInt(long.aboveInputTokens) + 1n)),
  ];
}

function priceTier(model: string, usd: UsdPerMillionTokens, minInputTokens: bigint): ProposedItem[] {
  const item = (component: Component, usdPerMillion: number): ProposedItem => ({
    component,
    provider: "",
    model,
    minInputTokens,
    pricePico: toPico(usdPerMillion),
    unitCount: TOKENS_PER_UNIT,
  });
  return [
    item("INPUT_UNCACHED", usd.input),
    item("CACHE_READ", usd.cacheRead ?? usd.input),
    item("CACHE_WRITE", usd.cacheWrite ?? usd.input),
    item("OUTPUT", usd.output),
  ];
}

function toPico(usd: number): bigint {
  const pico = scaleDecimal(usd, CREDITS_PER_USD_EXPONENT + PICO_EXPONENT);
  invariant(pico !== undefined && (pico > 0n || usd === 0), "a list price is a decimal that does not round to nothing");
  return pico;
}

function meter(component: Component, pricePico: bigint, unitCount: bigint): ProposedItem {
  return { component, provider: "", model: "", minInputTokens: 0n, pricePico, unitCount };
}
