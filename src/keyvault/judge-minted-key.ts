import { PloriError, refuse } from "../base/errors.ts";
import type { Verdict } from "../providers/verdict.ts";
import { judgeNewKey } from "./judge-new-key.ts";
import type { NewKeyFacts } from "./store-new-key.ts";

/**
 * Judges a key that OpenRouter has just made, by its probe. Throws KEY_REJECTED for one of no use, such as a management key. One that could not be checked
 * is stored as UNVERIFIED, since it comes from OpenRouter itself, but does not replace a key that serves.
 */
export function judgeMintedKey(
  verdict: Pick<Verdict, "outcome" | "reason" | "limits" | "retryAfterMs">,
  nowMs: number,
): Pick<NewKeyFacts, "standing" | "unlessServing"> {
  const judgement = judgeNewKey(verdict, nowMs);
  const metadata = { provider: "openrouter", outcome: verdict.outcome };
  switch (judgement.kind) {
    case "live":
      return { standing: judgement.standing };
    case "rejected":
      throw refuse("KEY_REJECTED", `${verdict.reason} Nothing was stored; a key connected earlier stays.`, metadata);
    case "unchecked":
      return {
        standing: { state: "UNVERIFIED", stateReason: verdict.reason },
        unlessServing: () =>
          new PloriError({
            reason: "PROVIDER_UNREACHABLE",
            message: `${verdict.reason} The key connected earlier keeps serving.`,
            metadata,
            ...(verdict.retryAfterMs === undefined ? {} : { retryAfterMs: verdict.retryAfterMs }),
          }),
      };
  }
}
