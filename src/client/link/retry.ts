import { setTimeout as pause } from "node:timers/promises";
import { chance } from "../../base/chance.ts";
import type { Clock } from "../../base/clock.ts";
import { HostError } from "../host-error.ts";
import type { CallOptions } from "./link.ts";

const TRIES_MAX = 8;
const FIRST_WAIT_MS = 100;
const LAST_WAIT_MS = 2_000;
/** Whoever should wait for longer is told so instead, with the time. */
const TOLD_WAIT_MAX_MS = 2_000;

/**
 * How long to wait before the try after `tries` failed ones, in milliseconds; undefined: not again. Only what is UNAVAILABLE is tried again. The service's own
 * word (RetryInfo) is the shortest wait; one of more than two seconds is the caller's to spend, and one that leaves no time for a try is not worth beginning.
 * `luck`: 0 up to 1.
 */
export function waitBeforeRetry(error: unknown, tries: number, leftMs: number, luck: number): number | undefined {
  if (!(error instanceof HostError) || error.code !== "UNAVAILABLE" || tries >= TRIES_MAX) return undefined;
  const { retryAfterMs = 0 } = error;
  if (retryAfterMs > TOLD_WAIT_MAX_MS) return undefined;
  const backOffMs = Math.min(FIRST_WAIT_MS * 2 ** (tries - 1), LAST_WAIT_MS);
  const waitMs = retryAfterMs + backOffMs * (0.5 + luck / 2);
  return waitMs < leftMs ? waitMs : undefined;
}

/**
 * Runs `attempt` until it succeeds, cannot be tried again, or `timeoutMs` has passed in all. For calls that may be repeated without harm only. Rejects with
 * the last error.
 */
export async function withRetries<T>(
  clock: Pick<Clock, "monotonicMs">,
  { timeoutMs, signal }: CallOptions,
  attempt: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const endMs = clock.monotonicMs() + timeoutMs;
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt({ timeoutMs: Math.max(1, endMs - clock.monotonicMs()), signal });
    } catch (error) {
      const waitMs = waitBeforeRetry(error, tries, endMs - clock.monotonicMs(), chance());
      if (waitMs === undefined || signal?.aborted === true) throw error;
      await pause(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
        throw error;
      });
    }
  }
}
