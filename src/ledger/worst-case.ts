import type { ModelPrices, Tier } from "./price-book.ts";
import { PICO_PER_NANO } from "./price-usage.ts";

/** The most that a call of known input can cost. */
export interface WorstCase {
  /** For the input alone. */
  readonly inputNano: bigint;
  /** For the input and so many output tokens. */
  totalNano(outputTokens: bigint): bigint;
  /** The most output tokens that the amount pays for, beside the input; negative when not even the input is paid for; undefined: any number. */
  outputTokensFor(amountNano: bigint): bigint | undefined;
}

/**
 * Prices a call at its dearest: input as if all of it were written to the cache where that costs more, output as reasoning where that does, each at the
 * dearest tier that so much input can reach. Rounded up, so that a charge of as many tokens never exceeds it. Undefined when input or output is unpriced.
 */
export function worstCase(prices: ModelPrices, inputTokens: bigint): WorstCase | undefined {
  const input = dearest([...(prices.INPUT_UNCACHED ?? [])], [...(prices.CACHE_WRITE ?? [])], inputTokens);
  const output = dearest([...(prices.OUTPUT ?? [])], [...(prices.REASONING ?? [])], inputTokens);
  if (input === undefined || output === undefined) return undefined;
  const inputNano = costUp(inputTokens, input);
  return {
    inputNano,
    totalNano: (outputTokens) => inputNano + costUp(outputTokens, output),
    outputTokensFor(amountNano) {
      if (amountNano < inputNano) return -1n;
      if (output.pricePico === 0n) return undefined;
      return ((amountNano - inputNano) * output.unitCount * PICO_PER_NANO) / output.pricePico;
    },
  };
}

function dearest(base: readonly Tier[], other: readonly Tier[], inputTokens: bigint): Tier | undefined {
  const reachable = (tier: Tier): boolean => tier.minInputTokens <= inputTokens;
  if (!base.some(reachable)) return undefined;
  return [...base, ...other]
    .filter(reachable)
    .reduce((most, tier) => (tier.pricePico * most.unitCount > most.pricePico * tier.unitCount ? tier : most));
}

function costUp(quantity: bigint, tier: Tier): bigint {
  const divisor = tier.unitCount * PICO_PER_NANO;
  return (quantity * tier.pricePico + divisor - 1n) / divisor;
}
