import type { PriceItem } from "./price-book.ts";

/** A price that became this many times as high, or as low, is taken for a slip until somebody says that it is meant. */
const JUMP_MAX = 10n;
/** Warnings that are told; there may be more. */
export const WARNINGS_TOLD_MAX = 50;

/** Something about proposed prices that is allowed and yet looks like a slip. */
export interface PriceWarning {
  /** The place of the item among those that were proposed. */
  readonly index: number;
  readonly text: string;
}

/**
 * What looks like a slip in proposed prices beside those in force: a jump of more than ten times, a price that becomes nothing or was nothing, and a tier for long
 * calls that is cheaper than the price below it. At most `WARNINGS_TOLD_MAX`.
 */
export function priceWarnings(proposed: readonly PriceItem[], inForce: readonly PriceItem[]): readonly PriceWarning[] {
  const before = new Map(inForce.map((item) => [itemKey(item), item]));
  const after = new Map([...inForce, ...proposed].map((item) => [itemKey(item), item]));
  const warnings: PriceWarning[] = [];
  for (const [index, item] of proposed.entries()) {
    const warn = (text: string): void => {
      if (warnings.length < WARNINGS_TOLD_MAX) warnings.push({ index, text });
    };
    const old = before.get(itemKey(item));
    if (old === undefined) {
      if (item.pricePico === 0n) warn("is free");
    } else if ((item.pricePico === 0n) !== (old.pricePico === 0n)) {
      warn(item.pricePico === 0n ? "becomes free" : "was free");
    } else {
      // Cross-multiplied, so that nothing is rounded.
      const now = item.pricePico * old.unitCount;
      const then = old.pricePico * item.unitCount;
      if (now > then * JUMP_MAX || then > now * JUMP_MAX) warn("changes more than tenfold");
    }
    const base = after.get(itemKey({ ...item, minInputTokens: 0n }));
    if (
      item.minInputTokens > 0n &&
      base !== undefined &&
      item.pricePico * base.unitCount < base.pricePico * item.unitCount
    )
      warn("is cheaper for long calls than for short ones");
  }
  return warnings;
}

/** What tells an item from every other: a newer one with the same key takes its place. */
export function itemKey({ component, provider, model, minInputTokens }: PriceItem): string {
  return `${component}\n${provider}\n${model}\n${minInputTokens}`;
}
