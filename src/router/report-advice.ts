import type { KeyState } from "../keyvault/ports.ts";
import type { CallFinding } from "../providers/descriptor.ts";
import type { RoutingPolicy } from "./decision.ts";

/** What a host should do about a call that it reported: the words of `plori.router.v1.Advice`. */
export type Advice = "RETRY_SAME" | "RESOLVE_AGAIN" | "STOP";

/** What the advice depends on. */
export interface Reported {
  readonly finding: CallFinding;
  /** Absent: that version of the key is no longer there. */
  readonly state: KeyState | undefined;
  /** Whether it is one of plori's own keys. */
  readonly isPlatform: boolean;
  readonly onKeyFailure: RoutingPolicy["onKeyFailure"];
}

/**
 * What to do about a reported call. Pure. STOP where nobody but the user can help, RESOLVE_AGAIN where another key may serve, RETRY_SAME where the same
 * route may work again.
 */
export function adviseHost({ finding, state, isPlatform, onKeyFailure }: Reported): Advice {
  // Another request would be refused in the same way by any key.
  if (finding === "request_refused" || finding === "model_refused") return "STOP";
  if (finding === "ok") return "RETRY_SAME";
  if (state === undefined) return "RESOLVE_AGAIN";
  const elsewhere = isPlatform || onKeyFailure !== "STOP" ? "RESOLVE_AGAIN" : "STOP";
  switch (finding) {
    case "provider_down":
      return "RETRY_SAME";
    case "rate_limited":
      return isPlatform || onKeyFailure !== "STOP" ? "RESOLVE_AGAIN" : "RETRY_SAME";
    case "key_refused":
      // Our probe found it well, or could not tell: the refusal was passing, or never was.
      return isServing(state) ? "RETRY_SAME" : elsewhere;
    case "no_credit":
    case "restricted":
    case "network_refused":
      return elsewhere;
  }
}

function isServing(state: KeyState): boolean {
  return state === "ACTIVE" || state === "UNVERIFIED" || state === "RATE_LIMITED";
}
