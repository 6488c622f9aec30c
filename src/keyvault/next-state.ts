import type { ProbeOutcome } from "../providers/descriptor.ts";
import { exhaustedMs } from "../providers/provider-waits.ts";
import type { KeyLimits, KeyStanding, KeyState } from "./ports.ts";
import { withLimit, withoutPast } from "./state-waits.ts";

/** Something that tells about a key. */
export type KeyEvent =
  /** Our own probe came back. The only event that sets DEAD or BLOCKED. */
  | {
      readonly kind: "probed";
      readonly outcome: ProbeOutcome;
      /** A sentence of ours. */
      readonly reason: string;
      readonly limits?: KeyLimits;
      readonly retryAfterMs?: number;
      /** Whether the provider's probe would show an empty account. */
      readonly tellsCredit: boolean;
      /** Whether somebody asked for the probe, rather than time or a report. */
      readonly onDemand: boolean;
    }
  /** An agent host told of a rate limit; `model` is the provider's own id, "" for all of the key's models. */
  | { readonly kind: "reported-rate-limit"; readonly model: string; readonly retryAfterMs?: number }
  /** An agent host told that the provider account is empty; `trial`: by the call that tried an exhausted key again. */
  | { readonly kind: "reported-no-credit"; readonly reason: string; readonly trial: boolean }
  /** An agent host told of a call that went well. */
  | { readonly kind: "reported-success"; readonly trial: boolean }
  /** The stored key does not open, and never will. */
  | { readonly kind: "unreadable" }
  /** Nothing but time went by. */
  | { readonly kind: "time" };

const RATE_LIMIT_REASON = "The provider limits the rate of calls.";
const UNREADABLE_REASON = "The stored key fails its check and cannot be opened. Connect it again.";

/**
 * How a key is after `event` at `nowMs`. Pure, and the one place that decides on states (DESIGN §3). Returns `current` itself when nothing changed, so
 * that callers can tell. Reports hold a key back for a while at most; what they say about its life only makes us probe.
 */
export function nextState(current: KeyStanding, event: KeyEvent, nowMs: number): KeyStanding {
  switch (event.kind) {
    case "probed":
      return afterProbe(afterTime(current, nowMs), event, nowMs);
    case "reported-rate-limit":
      return afterRateLimit(current, event, nowMs);
    case "reported-no-credit":
      return afterNoCredit(current, event, nowMs);
    case "reported-success":
      return current.state === "EXHAUSTED" && event.trial ? active(current, "") : current;
    case "unreadable":
      return {
        ...bare(current),
        state: "UNREADABLE",
        stateReason: UNREADABLE_REASON,
        ...strike(current, "UNREADABLE"),
      };
    case "time":
      return afterTime(current, nowMs);
  }
}

type Probed = Extract<KeyEvent, { kind: "probed" }>;

function afterProbe(current: KeyStanding, event: Probed, nowMs: number): KeyStanding {
  const seen = {
    ...current,
    verifyMs: nowMs,
    ...(event.limits === undefined ? {} : { limits: event.limits }),
  };
  switch (event.outcome) {
    case "valid":
      return afterAccepted(seen, event, "", nowMs);
    case "valid_restricted":
      return afterAccepted(seen, event, event.reason, nowMs);
    case "valid_no_credit":
      return exhausted(seen, event.reason, nowMs);
    case "invalid":
      return { ...bare(seen), state: "DEAD", stateReason: event.reason, ...strike(current, "DEAD") };
    case "blocked":
    case "wrong_kind":
      return { ...bare(seen), state: "BLOCKED", stateReason: event.reason, ...strike(current, "BLOCKED") };
    case "rate_limited":
      return afterLimitedProbe(seen, event, nowMs);
    case "network_refused":
    case "unknown":
      return afterSilence(current, event.reason);
  }
}

/** An accepted key is well, unless what keeps it back is something that this probe cannot see. */
function afterAccepted(seen: KeyStanding, event: Probed, reason: string, nowMs: number): KeyStanding {
  if (seen.state === "EXHAUSTED" && seen.stateFrom === "REPORT" && !event.tellsCredit) {
    // Its owner, who may just have paid, need not wait for the trial call; otherwise the wait goes on.
    const waits = seen.stateUntilMs ?? nowMs;
    return event.onDemand ? { ...seen, stateUntilMs: Math.min(waits, nowMs) } : seen;
  }
  if (seen.state !== "RATE_LIMITED") return active(seen, reason);
  // That our probe got through ends a limit that it had met itself, not one that calls of models meet.
  return seen.stateFrom === "REPORT" ? seen : active(seen, reason);
}

function afterLimitedProbe(seen: KeyStanding, { reason, retryAfterMs }: Probed, nowMs: number): KeyStanding {
  switch (seen.state) {
    case "DEAD":
    case "BLOCKED":
      return { ...seen, ...strike(seen, seen.state) };
    case "EXHAUSTED":
      return seen;
    case "RATE_LIMITED":
      return { ...seen, ...withLimit(seen, "", nowMs, retryAfterMs) };
    case "ACTIVE":
    case "UNVERIFIED":
    case "UNREADABLE":
      return {
        ...bare(seen),
        state: "RATE_LIMITED",
        stateReason: reason,
        ...withLimit({ state: "ACTIVE" }, "", nowMs, retryAfterMs),
      };
  }
}

/** No answer changes nothing, but that probes of a key in trouble come ever more rarely. A key that opens again is no longer unreadable. */
function afterSilence(current: KeyStanding, reason: string): KeyStanding {
  switch (current.state) {
    case "UNREADABLE":
      return { ...bare(current), state: "UNVERIFIED", stateReason: reason };
    case "DEAD":
    case "BLOCKED":
    case "UNVERIFIED":
      return { ...current, ...strike(current, current.state) };
    case "ACTIVE":
    case "RATE_LIMITED":
    case "EXHAUSTED":
      return current;
  }
}

function afterRateLimit(
  current: KeyStanding,
  { model, retryAfterMs }: Extract<KeyEvent, { kind: "reported-rate-limit" }>,
  nowMs: number,
): KeyStanding {
  const { state } = current;
  if (state !== "ACTIVE" && state !== "RATE_LIMITED" && state !== "UNVERIFIED") return current;
  const limited = withLimit(current, model, nowMs, retryAfterMs);
  if (limited === undefined) return current;
  // A report does not verify a key: one that never was stays so, and its models are held back all the same.
  if (state === "UNVERIFIED") return { ...current, ...limited };
  return { ...current, state: "RATE_LIMITED", stateReason: RATE_LIMIT_REASON, stateFrom: "REPORT", ...limited };
}

function afterNoCredit(
  current: KeyStanding,
  { reason, trial }: Extract<KeyEvent, { kind: "reported-no-credit" }>,
  nowMs: number,
): KeyStanding {
  switch (current.state) {
    case "ACTIVE":
    case "UNVERIFIED":
    case "RATE_LIMITED":
      return { ...exhausted(current, reason, nowMs), stateFrom: "REPORT" };
    case "EXHAUSTED":
      // A late word of a call that was made before tells nothing new.
      return trial ? { ...exhausted(current, reason, nowMs), stateFrom: "REPORT" } : current;
    case "DEAD":
    case "BLOCKED":
    case "UNREADABLE":
      return current;
  }
}

function afterTime(current: KeyStanding, nowMs: number): KeyStanding {
  const { state } = current;
  if (state === "RATE_LIMITED" && current.stateUntilMs !== undefined && current.stateUntilMs <= nowMs) {
    return active(current, "");
  }
  return withoutPast(current, nowMs);
}

/** Exhausted until its wait is over; each further round doubles the wait. Found again during a wait, the wait stays as it is. */
function exhausted(current: KeyStanding, stateReason: string, nowMs: number): KeyStanding {
  const again = current.state === "EXHAUSTED";
  if (again && current.stateUntilMs !== undefined && current.stateUntilMs > nowMs) {
    const { stateFrom: _from, ...rest } = current;
    return { ...rest, stateReason };
  }
  const strikes = again ? (current.strikes ?? 0) + 1 : 0;
  const stateUntilMs = nowMs + exhaustedMs(strikes);
  return {
    ...bare(current),
    state: "EXHAUSTED",
    stateReason,
    stateUntilMs,
    ...(strikes === 0 ? {} : { strikes }),
  };
}

function active(current: KeyStanding, stateReason: string): KeyStanding {
  return { ...bare(current), state: "ACTIVE", stateReason };
}

/** What outlives a change of state: what the provider told about the key. */
function bare({ limits, verifyMs }: KeyStanding): Pick<KeyStanding, "limits" | "verifyMs"> {
  return { ...(limits === undefined ? {} : { limits }), ...(verifyMs === undefined ? {} : { verifyMs }) };
}

function strike(before: KeyStanding, state: KeyState): Pick<KeyStanding, "strikes"> {
  const strikes = before.state === state ? (before.strikes ?? 0) + 1 : 0;
  return strikes === 0 ? {} : { strikes };
}
