import { activePriceVersion } from "./active-price.ts";
import type { PriceBook, PricedModel, PriceVersion } from "./price-book.ts";
import { type PricedUsage, priceUsage, type Quantities } from "./price-usage.ts";

/** Usage to price without recording it. */
export interface PreviewOrder {
  readonly quantities: Quantities;
  /** Undefined: compute or disk. */
  readonly model: PricedModel | undefined;
  /** Undefined: the version in force. */
  readonly version: number | undefined;
}

/** What usage would cost, and by which version; undefined when there is no such version. */
export function previewCharge(
  versions: readonly PriceVersion[],
  bookOf: (version: PriceVersion) => PriceBook,
  { quantities, model, version }: PreviewOrder,
  nowMs: number,
): { readonly priced: PricedUsage; readonly version: PriceVersion } | undefined {
  const chosen =
    version === undefined
      ? activePriceVersion(versions, nowMs)
      : versions.find((published) => published.version === version);
  if (chosen === undefined) return undefined;
  const book = bookOf(chosen);
  return {
    priced: priceUsage(quantities, model === undefined ? book.meterPrices() : book.modelPrices(model)),
    version: chosen,
  };
}
