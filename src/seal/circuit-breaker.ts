import type { Clock } from "../base/clock.ts";
import type { SealLimits } from "./limits.ts";

/** Keeps callers from waiting for a service that does not answer. */
export interface CircuitBreaker {
  /** Whether a call may be made now. Once the circuit has been open long enough, one caller at a time gets a yes: the trial. */
  tryEnter(): boolean;
  /** The call was answered, well or badly. */
  answered(): void;
  /** Nobody answered the call. */
  unanswered(): void;
  /** True from the failure that opened the circuit until its time is over. */
  isOpen(): boolean;
}

/** A breaker on the monotonic clock. `random` gives numbers in [0, 1), so that many processes do not try again at the same moment. */
export function createCircuitBreaker(
  clock: Pick<Clock, "monotonicMs">,
  random: () => number,
  limits: Pick<SealLimits, "breakerFailuresMax" | "breakerOpenMs">,
): CircuitBreaker {
  let failures = 0;
  let openUntilMs = Number.NEGATIVE_INFINITY;
  let trialRuns = false;
  const isTripped = () => failures >= limits.breakerFailuresMax;
  const isOpen = () => isTripped() && clock.monotonicMs() < openUntilMs;

  return {
    isOpen,
    tryEnter() {
      if (!isTripped()) return true;
      if (isOpen() || trialRuns) return false;
      trialRuns = true;
      return true;
    },
    answered() {
      failures = 0;
      trialRuns = false;
    },
    unanswered() {
      failures += 1;
      trialRuns = false;
      if (isTripped()) openUntilMs = clock.monotonicMs() + limits.breakerOpenMs * (0.5 + random());
    },
  };
}
