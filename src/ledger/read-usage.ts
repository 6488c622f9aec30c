import type { FieldViolation } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import type { Provider } from "../base/provider.ts";
import { normaliseUsage } from "../providers/usage.ts";
import type { Quantities } from "./price-usage.ts";
import type { CallUsage, TokenCounts } from "./usage-record.ts";

/** What a model call used, as disjoint quantities. */
export interface ReadUsage {
  readonly quantities: Quantities;
  /** Whether nothing at all was counted. */
  readonly empty: boolean;
  /** False when nothing was told, or when what was told leaves something open. */
  readonly complete: boolean;
  readonly providerCostUsdNano: bigint | undefined;
}

/** Reads a call's usage by the rules of the route's provider. Returns the violation when it cannot be what a provider counts. */
export function readUsage(provider: Provider, usage: CallUsage): ReadUsage | FieldViolation {
  if (usage.kind === "none") return { ...toQuantities(NO_TOKENS), complete: false, providerCostUsdNano: undefined };
  if (usage.kind === "tokens") return { ...toQuantities(usage.tokens), complete: true, providerCostUsdNano: undefined };
  const result = normaliseUsage(provider, usage.usage);
  if (result.kind === "problem") {
    return {
      field: `model_call.provider_usage.${result.problem.path}`,
      description: `must be a count that is neither negative nor broken, at most ${LIMITS.quantityMax.toString()}`,
    };
  }
  const read = toQuantities(result.usage);
  const overflow = Object.values(read.quantities).some((quantity) => quantity > LIMITS.quantityMax);
  if (overflow) {
    return {
      field: "model_call.provider_usage",
      description: `must count at most ${LIMITS.quantityMax.toString()} of anything`,
    };
  }
  return { ...read, complete: result.usage.complete, providerCostUsdNano: result.usage.providerCostUsdNano };
}

const NO_TOKENS: TokenCounts = { inputUncached: 0n, cacheRead: 0n, cacheWrite: 0n, output: 0n, reasoning: 0n };

function toQuantities(counts: TokenCounts): Pick<ReadUsage, "quantities" | "empty"> {
  const { inputUncached, cacheRead, cacheWrite, output, reasoning } = counts;
  return {
    quantities: {
      INPUT_UNCACHED: inputUncached,
      CACHE_READ: cacheRead,
      CACHE_WRITE: cacheWrite,
      OUTPUT: output,
      REASONING: reasoning,
    },
    empty: inputUncached === 0n && cacheRead === 0n && cacheWrite === 0n && output === 0n && reasoning === 0n,
  };
}
