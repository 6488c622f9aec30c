import { exhaustedMs, rateLimitMs } from "../providers/provider-waits.ts";
import type { Verdict } from "../providers/verdict.ts";
import type { KeyRecord } from "./ports.ts";

/** What a probe tells about a key that is being connected. */
export type NewKeyJudgement =
  /** Live: to be stored in this state. */
  | {
      readonly kind: "live";
      readonly standing: Pick<KeyRecord, "state" | "stateReason" | "stateUntilMs" | "limits" | "verifyMs">;
    }
  /** Of no use, and never stored. */
  | { readonly kind: "rejected" }
  /** Nothing is known about it. */
  | { readonly kind: "unchecked" };

/**
 * Judges a new key by its probe. Only a definite answer rejects; a provider that limits our rate or misses credit knows the key, so it is live;
 * silence and refused networks say nothing about it.
 */
export function judgeNewKey(
  verdict: Pick<Verdict, "outcome" | "reason" | "limits" | "retryAfterMs">,
  nowMs: number,
): NewKeyJudgement {
  const seen = { verifyMs: nowMs, ...(verdict.limits === undefined ? {} : { limits: verdict.limits }) };
  const stateReason = verdict.reason;
  switch (verdict.outcome) {
    case "valid":
      return { kind: "live", standing: { ...seen, state: "ACTIVE", stateReason: "" } };
    case "valid_restricted":
      return { kind: "live", standing: { ...seen, state: "ACTIVE", stateReason } };
    case "valid_no_credit":
      return {
        kind: "live",
        standing: { ...seen, state: "EXHAUSTED", stateReason, stateUntilMs: nowMs + exhaustedMs(0) },
      };
    case "rate_limited": {
      const stateUntilMs = nowMs + rateLimitMs(verdict.retryAfterMs);
      return { kind: "live", standing: { ...seen, state: "RATE_LIMITED", stateReason, stateUntilMs } };
    }
    case "blocked":
    case "wrong_kind":
    case "invalid":
      return { kind: "rejected" };
    case "network_refused":
    case "unknown":
      return { kind: "unchecked" };
  }
}
