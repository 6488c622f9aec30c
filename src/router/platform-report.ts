import type { KeyRef, KeyState } from "../keyvault/ports.ts";
import type { CallFinding } from "../providers/descriptor.ts";
import { exhaustedMs, rateLimitMs } from "../providers/provider-waits.ts";
import type { KeyTrouble } from "./decision.ts";
import type { HostFindings } from "./host-findings.ts";
import type { ReportedKey } from "./ports.ts";

/** How long a host does without a key that it says was refused, unless our probe says otherwise, in milliseconds. */
const REFUSED_MS = 60_000;

/** A host's report about one of plori's own keys. */
export interface PlatformReport {
  readonly host: string;
  readonly ref: KeyRef;
  readonly finding: CallFinding;
  readonly route: { readonly upstreamModel: string };
  readonly input: { readonly retryAfterMs: number | undefined };
}

/** What was noted for the reporting host, and whether the key should be probed. */
export interface NotedFinding {
  readonly standing: ReportedKey;
  readonly probes: boolean;
}

/** Notes a host's trouble with one of plori's own keys, for that host alone. Undefined when the report says nothing against the key. */
export function notePlatformFinding(
  findings: HostFindings,
  { host, ref, finding, route, input }: PlatformReport,
  wholeKey: boolean,
  nowMs: number,
): NotedFinding | undefined {
  const note = (
    model: string,
    trouble: KeyTrouble,
    state: KeyState,
    untilMs: number,
    probes: boolean,
  ): NotedFinding => {
    findings.note(host, ref, model, trouble, untilMs);
    return { standing: { state, stateReason: "As this host reported it.", stateUntilMs: untilMs }, probes };
  };
  switch (finding) {
    case "rate_limited": {
      const model = wholeKey ? "" : route.upstreamModel;
      return note(model, "KEY_RATE_LIMITED", "RATE_LIMITED", nowMs + rateLimitMs(input.retryAfterMs), false);
    }
    case "no_credit":
      return note("", "KEY_EXHAUSTED", "EXHAUSTED", nowMs + exhaustedMs(0), true);
    case "key_refused":
    case "restricted":
      return note("", "KEY_BLOCKED", "BLOCKED", nowMs + REFUSED_MS, true);
    case "ok":
    case "network_refused":
    case "model_refused":
    case "request_refused":
    case "provider_down":
      return undefined;
  }
}

/**
 * Forgets that the host was refused when our probe is not. Returns whether it did: an accepted key may have no credit for calls, or no right to make them,
 * which a probe does not show.
 */
export function settlePlatformFinding(
  findings: HostFindings,
  { host, ref, finding }: PlatformReport,
  probed: ReportedKey,
): boolean {
  if (finding !== "key_refused" || probed.state !== "ACTIVE") return false;
  findings.clear(host, ref);
  return true;
}
