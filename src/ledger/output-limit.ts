import type { HoldOrder } from "./place-hold.ts";
import type { HoldRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";
import { worstCase } from "./worst-case.ts";

/** What made a hold's output smaller than what was asked for; undefined: nothing did. The same for a hold that is given again, under the same cap. */
export function outputLimit(
  set: WorkingSet,
  order: HoldOrder,
  { maxOutputTokens, requestedOutputTokens, priceVersion, inputTokens }: HoldRow,
): "CREDITS" | "SPEND_CAP" | undefined {
  if (maxOutputTokens >= requestedOutputTokens) return undefined;
  if (order.capNano === undefined) return "CREDITS";
  const worst = worstCase(set.priceBook(priceVersion).modelPrices(order), inputTokens);
  // One token more would have been too much for the cap, whatever credits there were.
  const isCapped = worst !== undefined && worst.totalNano(maxOutputTokens + 1n) > order.capNano;
  return isCapped ? "SPEND_CAP" : "CREDITS";
}
