import { formatCredits, NANO_PER_CREDIT, parseCredits } from "../base/credits.ts";

/** The most credits that a line or a limit may be. */
const LINE_MAX_NANO = 1_000_000_000n * NANO_PER_CREDIT;
/** A million credits a dollar. */
export const CREDITS_PER_USD_MAX_NANO = 1_000_000n * NANO_PER_CREDIT;
/** The most that may be added to list prices, in per cent. */
export const MARKUP_MAX_PERCENT = 1_000;
const WHOLE_NUMBER = /^\d{1,4}$/;

/** What an operator sets about credits. */
export interface CreditSettings {
  /** Below it an account's credits count as low; 0: never. */
  readonly lowNano: bigint;
  /** An account that owes more gets no compute. */
  readonly overdraftLimitNano: bigint;
  /** What a US dollar is worth; undefined: nobody said. */
  readonly creditsPerUsdNano: bigint | undefined;
  /** What is added to list prices, in per cent. */
  readonly markupPercent: number;
}

/** The settings as they stand in the environment; empty: not set. */
export interface CreditSettingTexts {
  readonly lowUnits: string;
  readonly overdraftLimitUnits: string;
  readonly creditsPerUsd: string;
  readonly markupPercent: string;
}

/** Reads the settings; calls `problem` for each that is wrong. Amounts are decimals of up to nine places, read exactly. */
export function readCreditSettings(
  texts: CreditSettingTexts,
  problem: (name: keyof CreditSettingTexts, text: string) => void,
): CreditSettings {
  function amount(name: "lowUnits" | "overdraftLimitUnits" | "creditsPerUsd", least: bigint, most: bigint): bigint {
    const nano = parseCredits(texts[name]);
    if (nano !== undefined && nano >= least && nano <= most) return nano;
    const range = `${least === 0n ? "0" : formatCredits(least)}-${most / NANO_PER_CREDIT}`;
    problem(name, `must be a number of credits with up to nine decimal places, ${range}, for example 12.5`);
    return 0n;
  }
  const isWhole = WHOLE_NUMBER.test(texts.markupPercent) && Number(texts.markupPercent) <= MARKUP_MAX_PERCENT;
  if (!isWhole) problem("markupPercent", `must be a whole number of per cent, 0-${MARKUP_MAX_PERCENT}`);
  return {
    lowNano: amount("lowUnits", 0n, LINE_MAX_NANO),
    overdraftLimitNano: amount("overdraftLimitUnits", 0n, LINE_MAX_NANO),
    creditsPerUsdNano: texts.creditsPerUsd === "" ? undefined : amount("creditsPerUsd", 1n, CREDITS_PER_USD_MAX_NANO),
    markupPercent: isWhole ? Number(texts.markupPercent) : 0,
  };
}
