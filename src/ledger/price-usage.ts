import { divideHalfEven } from "../base/credits.ts";
import { type ModelPrices, type Tier, tierFor } from "./price-book.ts";
import { type ChargeLine, COMPONENTS, type Component } from "./rows.ts";

/** Pico-credits in one nano-credit. */
export const PICO_PER_NANO = 1_000n;

/** How much was used of each component; what is absent was not used. */
export type Quantities = Readonly<Partial<Record<Component, bigint>>>;

/** Usage with its prices. */
export interface PricedUsage {
  /** One for every component that was used at all, at list price. */
  readonly lines: readonly ChargeLine[];
  /** What the priced lines come to. */
  readonly totalNano: bigint;
  /** The components that were used and have no price. */
  readonly unpriced: readonly Component[];
}

/** The quantity at a tier's price in nano-credits: multiplied first, then divided and rounded half to even, once. */
export function priceQuantity(quantity: bigint, tier: Tier): bigint {
  return divideHalfEven(quantity * tier.pricePico, tier.unitCount * PICO_PER_NANO);
}

/** The input tokens of a call, cached or not: what decides its price tier. */
export function inputTokensOf(quantities: Quantities): bigint {
  return (quantities.INPUT_UNCACHED ?? 0n) + (quantities.CACHE_READ ?? 0n) + (quantities.CACHE_WRITE ?? 0n);
}

/** Prices what was used, each component alone. Amounts may exceed 64 bits: whoever books them looks. */
export function priceUsage(quantities: Quantities, prices: ModelPrices): PricedUsage {
  const inputTokens = inputTokensOf(quantities);
  const lines: ChargeLine[] = [];
  const unpriced: Component[] = [];
  let totalNano = 0n;
  for (const component of COMPONENTS) {
    const quantity = quantities[component];
    if (quantity === undefined || quantity === 0n) continue;
    const tier = tierFor(prices[component], inputTokens);
    if (tier === undefined) {
      unpriced.push(component);
      lines.push({ component, quantity, pricePico: 0n, unitCount: 0n, amountNano: 0n, listNano: undefined });
      continue;
    }
    const amountNano = priceQuantity(quantity, tier);
    totalNano += amountNano;
    lines.push({
      component,
      quantity,
      pricePico: tier.pricePico,
      unitCount: tier.unitCount,
      amountNano,
      listNano: amountNano,
    });
  }
  return { lines, totalNano, unpriced };
}

/** The same usage as the user's own key pays for it: every amount zero, the list price kept beside. */
export function waiveAmounts(lines: readonly ChargeLine[]): readonly ChargeLine[] {
  return lines.map((line) => ({ ...line, amountNano: 0n }));
}
