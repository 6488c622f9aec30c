import type { PriceBook } from "./price-book.ts";
import { priceUsage, waiveAmounts } from "./price-usage.ts";
import type { ReadUsage } from "./read-usage.ts";
import type { CallOutcome, ChargeLine, RouteFacts } from "./rows.ts";

/** What a model call costs. */
export interface PricedCall {
  readonly lines: readonly ChargeLine[];
  readonly amountNano: bigint;
  readonly listNano: bigint | undefined;
  readonly estimated: boolean;
  /** 0: nothing was priced. */
  readonly priceVersion: number;
}

/** A call to price. */
export interface CallToPrice {
  readonly route: RouteFacts;
  readonly outcome: CallOutcome;
  readonly usage: ReadUsage;
  /** The input tokens that the call's hold assumed; undefined without a hold. */
  readonly assumedInputTokens: bigint | undefined;
  /** Undefined when nothing was published when the route was resolved. */
  readonly book: PriceBook | undefined;
}

/**
 * Prices a call by the version that its route is pinned to. On the user's own key the amount is zero and the list price stands beside it, absent unless
 * all of it is priced. On credits nothing becomes free by accident: a success that counts nothing, or a cancelled call that does not tell, is booked at
 * the input that its hold assumed, and a part without a price marks the charge as an estimate.
 */
export function priceCall({ route, outcome, usage, assumedInputTokens, book }: CallToPrice): PricedCall {
  const untold = usage.empty && (outcome === "SUCCEEDED" || (outcome === "CANCELLED" && !usage.complete));
  const hosted = route.payer === "HOSTED";
  const quantities = untold && hosted ? { INPUT_UNCACHED: assumedInputTokens ?? 0n } : usage.quantities;
  const { lines, totalNano, unpriced } = priceUsage(quantities, book?.modelPrices(route) ?? {});
  const anyPriced = lines.length > unpriced.length;
  const priceVersion = anyPriced && book !== undefined ? book.version.version : 0;
  const told = usage.empty || usage.complete;
  if (hosted) {
    const estimated = untold || !told || unpriced.length > 0;
    return { lines, amountNano: totalNano, listNano: totalNano, estimated, priceVersion };
  }
  const listNano = untold || unpriced.length > 0 ? undefined : totalNano;
  return { lines: waiveAmounts(lines), amountNano: 0n, listNano, estimated: untold || !told, priceVersion };
}
