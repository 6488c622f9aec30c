import type { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import type { Hosting } from "./catalogue/catalogue-model.ts";
import type { HoldRequest } from "./ports.ts";

/** The least input that a hold assumes: a caller that estimates nothing does not get a hold of nothing. */
const INPUT_FLOOR_TOKENS = 1_024n;
/** An answer of fewer tokens is not worth a call, unless the caller asked for no more. */
const OUTPUT_FLOOR_TOKENS = 256n;

/** How large a call is expected to be; 0 means unknown. */
export interface Estimate {
  readonly inputTokens: bigint;
  readonly maxOutputTokens: bigint;
}

/** Notes what is wrong with an estimate. */
export function checkEstimate(fields: FieldChecker, { inputTokens, maxOutputTokens }: Estimate): void {
  fields.check(
    inputTokens >= 0n && inputTokens <= LIMITS.estimateTokensMax,
    "estimate.input_tokens",
    "must be 0 to 10^15",
  );
  fields.check(
    maxOutputTokens >= 0n && maxOutputTokens <= LIMITS.estimateTokensMax,
    "estimate.max_output_tokens",
    "must be 0 to 10^15",
  );
}

/**
 * How large a hold a hosted call asks for: at most the model's own maximum of output, which is also what an estimate of 0 means, and at most `capNano`
 * nano-credits.
 */
export function holdRequest(
  holdId: string,
  estimate: Estimate,
  hosting: Hosting,
  capNano: bigint | undefined,
): HoldRequest {
  const inputTokens = estimate.inputTokens > INPUT_FLOOR_TOKENS ? estimate.inputTokens : INPUT_FLOOR_TOKENS;
  const modelMax = BigInt(hosting.maxOutputTokens);
  const asked = estimate.maxOutputTokens;
  const maxOutputTokens = asked > 0n && asked < modelMax ? asked : modelMax;
  return {
    holdId,
    inputTokens,
    maxOutputTokens,
    minOutputTokens: maxOutputTokens < OUTPUT_FLOOR_TOKENS ? maxOutputTokens : OUTPUT_FLOOR_TOKENS,
    ...(capNano === undefined ? {} : { capNano }),
  };
}
