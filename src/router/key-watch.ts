import { PLATFORM_ACCOUNT } from "../base/provider.ts";
import type { HeldBack } from "./decision.ts";
import { createHostFindings, type HostFindings } from "./host-findings.ts";
import { isTrial } from "./key-trouble.ts";
import type { RoutableKey } from "./ports.ts";
import { createTrialClaims, type TrialClaims } from "./trial-claims.ts";

/** What this process alone knows about keys, for as long as it runs. */
export interface KeyWatch {
  readonly trials: TrialClaims;
  readonly findings: HostFindings;
}

/** Knows nothing yet. */
export function createKeyWatch(): KeyWatch {
  return { trials: createTrialClaims(), findings: createHostFindings() };
}

/** A call's name among trials: call ids are their host's own. */
export function trialCall(host: string, callId: string): string {
  return `${host}/${callId}`;
}

/** What holds keys back for this host's call. */
export function heldBackFor(
  { trials, findings }: KeyWatch,
  host: string,
  callId: string,
  nowMs: number,
): HeldBack<RoutableKey> {
  return (key, upstreamModel) => {
    if (isTrial(key, nowMs) && trials.isTaken(key, trialCall(host, callId), nowMs)) return { trouble: "KEY_EXHAUSTED" };
    if (key.account !== PLATFORM_ACCOUNT || findings.isEmpty) return undefined;
    return findings.find(host, key, upstreamModel, nowMs);
  };
}
