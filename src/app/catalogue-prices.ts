import { divideHalfEven, NANO_PER_CREDIT } from "../base/credits.ts";
import { invariant } from "../base/errors.ts";
import type { CreditValue } from "../ledger/credit-value.ts";
import type { ProposedItem } from "../ledger/publish-prices.ts";
import type { Component } from "../ledger/rows.ts";
import { scaleDecimal } from "../providers/decimal.ts";
import type { ListPrice, UsdPerMillionTokens } from "../router/catalogue/catalogue-model.ts";
import type { Catalogue } from "../router/catalogue.ts";

const PICO_EXPONENT = 12;
const TOKENS_PER_UNIT = 1_000_000n;
const PERCENT = 100n;

/**
 * Every hosted model of the catalogue at its list price, in credits. A price is rounded once, half to even, to whole pico-credits a million tokens; one that is
 * not nothing never becomes nothing.
 */
export function cataloguePrices(catalogue: Catalogue, value: CreditValue): readonly ProposedItem[] {
  return catalogue.models.flatMap((model) =>
    model.hosting === undefined ? [] : priceModel(model.id, model.hosting.listPrice, value),
  );
}

function priceModel(model: string, price: ListPrice, value: CreditValue): ProposedItem[] {
  const { long } = price;
  return [
    ...priceTier(model, price, 0n, value),
    ...(long === undefined ? [] : priceTier(model, long, BigInt(long.aboveInputTokens) + 1n, value)),
  ];
}

function priceTier(
  model: string,
  usd: UsdPerMillionTokens,
  minInputTokens: bigint,
  value: CreditValue,
): ProposedItem[] {
  const item = (component: Component, usdPerMillion: number): ProposedItem => ({
    component,
    provider: "",
    model,
    minInputTokens,
    pricePico: toPico(usdPerMillion, value),
    unitCount: TOKENS_PER_UNIT,
  });
  return [
    item("INPUT_UNCACHED", usd.input),
    item("CACHE_READ", usd.cacheRead ?? usd.input),
    item("CACHE_WRITE", usd.cacheWrite ?? usd.input),
    item("OUTPUT", usd.output),
  ];
}

function toPico(usd: number, { creditsPerUsdNano, markupPercent }: CreditValue): bigint {
  const usdPico = scaleDecimal(usd, PICO_EXPONENT);
  invariant(usdPico !== undefined && (usdPico > 0n || usd === 0), "a list price is a decimal of at most twelve places");
  const pico = divideHalfEven(
    usdPico * creditsPerUsdNano * (PERCENT + BigInt(markupPercent)),
    NANO_PER_CREDIT * PERCENT,
  );
  return pico === 0n && usdPico > 0n ? 1n : pico;
}
