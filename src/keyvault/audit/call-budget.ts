import { LRUCache } from "lru-cache";
import type { Clock } from "../../base/clock.ts";
import { PloriError } from "../../base/errors.ts";

const WINDOW_MS = 60_000;
const CALLERS_MAX = 10_000;

/** How often each identity may call in any minute. */
export interface CallBudget {
  /** Takes one call of the identity's. Throws RATE_LIMITED with the time until the next one is free. */
  take(spiffeId: string): void;
}

/** A budget in this process's memory, for the 10,000 identities that called last. */
export function createCallBudget(clock: Pick<Clock, "monotonicMs">, callsPerMinute: number): CallBudget {
  const takenAtMs = new LRUCache<string, readonly number[]>({ max: CALLERS_MAX });
  return {
    take(spiffeId) {
      const nowMs = clock.monotonicMs();
      const recent = (takenAtMs.get(spiffeId) ?? []).filter((atMs) => nowMs - atMs < WINDOW_MS);
      const [oldest] = recent;
      if (oldest !== undefined && recent.length >= callsPerMinute) {
        throw new PloriError({
          reason: "RATE_LIMITED",
          message: `At most ${callsPerMinute} of these calls a minute are answered to one identity. Try again later.`,
          retryAfterMs: Math.ceil(oldest + WINDOW_MS - nowMs),
        });
      }
      takenAtMs.set(spiffeId, [...recent, nowMs]);
    },
  };
}
