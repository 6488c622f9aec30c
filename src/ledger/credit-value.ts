import type { FieldChecker } from "../base/fields.ts";
import { CREDITS_PER_USD_MAX_NANO, type CreditSettings, MARKUP_MAX_PERCENT } from "./credit-settings.ts";

/** What a US dollar is worth in nano-credits, and what is added to list prices, in per cent. */
export interface CreditValue {
  readonly creditsPerUsdNano: bigint;
  readonly markupPercent: number;
}

/** A credit value as its caller sent it. */
export interface AskedCreditValue {
  /** Undefined: as the operator set it; "unholdable": an amount that no ledger could hold. */
  readonly creditsPerUsdNano: bigint | undefined | "unholdable";
  /** Undefined: as the operator set it. */
  readonly markupPercent: number | undefined;
}

/** The value that a request asks for, or else the operator's. Notes in `fields`, below `path`, what is wrong with it. */
export function readCreditValue(
  fields: FieldChecker,
  path: string,
  asked: AskedCreditValue,
  settings: Pick<CreditSettings, "creditsPerUsdNano" | "markupPercent">,
): CreditValue {
  const worth = asked.creditsPerUsdNano ?? settings.creditsPerUsdNano;
  const markupPercent = asked.markupPercent ?? settings.markupPercent;
  const isNamed = worth !== undefined;
  fields.check(isNamed, `${path}credits_per_usd`, "is missing, and PLORI_CREDITS_PER_USD is not set");
  const inRange = isNamed && worth !== "unholdable" && worth > 0n && worth <= CREDITS_PER_USD_MAX_NANO;
  fields.check(inRange || !isNamed, `${path}credits_per_usd`, "must be more than zero, and at most a million credits");
  const markupInRange = markupPercent >= 0 && markupPercent <= MARKUP_MAX_PERCENT;
  fields.check(markupInRange, `${path}markup_percent`, `must be 0-${MARKUP_MAX_PERCENT}`);
  return { creditsPerUsdNano: inRange ? worth : 0n, markupPercent };
}
