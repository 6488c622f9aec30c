import { LRUCache } from "lru-cache";
import type { Clock } from "../base/clock.ts";
import { PloriError } from "../base/errors.ts";

const WINDOW_MS = 60_000;
const PROBES_PER_WINDOW = 10;
/** Probes that reports and timers leave to the account's owner: a host that reports nonsense must not keep its users from connecting keys. */
const OWNERS_SHARE = 4;
const ACCOUNTS_MAX = 10_000;

/** How often an account may have a provider asked: 10 probes in any minute, so that nobody tries stolen keys through us. */
export interface ProbeBudget {
  /** Takes one probe of the account's; SERVICE: not its owner asks, but a report or a timer of ours. Throws RATE_LIMITED with the time until the next one is free. */
  take(account: string, whose?: "OWNER" | "SERVICE"): void;
}

/** A budget in this process's memory, for the 10,000 accounts that probed last. */
export function createProbeBudget(clock: Pick<Clock, "monotonicMs">): ProbeBudget {
  const takenAtMs = new LRUCache<string, readonly number[]>({ max: ACCOUNTS_MAX });
  return {
    take(account, whose = "OWNER") {
      const nowMs = clock.monotonicMs();
      const recent = (takenAtMs.get(account) ?? []).filter((atMs) => nowMs - atMs < WINDOW_MS);
      const allowed = whose === "OWNER" ? PROBES_PER_WINDOW : PROBES_PER_WINDOW - OWNERS_SHARE;
      // The next one is free when so many have left the window that there is room again.
      const oldest = recent[recent.length - allowed];
      if (oldest !== undefined) {
        throw new PloriError({
          reason: "RATE_LIMITED",
          message: `At most ${PROBES_PER_WINDOW} keys a minute are checked for one account. Try again later.`,
          retryAfterMs: Math.ceil(oldest + WINDOW_MS - nowMs),
        });
      }
      takenAtMs.set(account, [...recent, nowMs]);
    },
  };
}
