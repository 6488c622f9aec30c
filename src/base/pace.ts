import type { Clock } from "./clock.ts";

/** Keeps background work from taking more than its share: so many things a second. */
export interface Pace {
  /** Resolves when the next `count` things may begin. Rejects when `signal` aborts. */
  next(count: number, signal: AbortSignal): Promise<void>;
}

/** A pace of `perSecond` things a second, by the monotonic clock. */
export function createPace(clock: Pick<Clock, "monotonicMs">, perSecond: number): Pace {
  let freeAtMs = clock.monotonicMs();
  return {
    async next(count, signal) {
      signal.throwIfAborted();
      const waitMs = freeAtMs - clock.monotonicMs();
      freeAtMs = Math.max(freeAtMs, clock.monotonicMs()) + (count * 1_000) / perSecond;
      if (waitMs > 0) await pause(waitMs, signal);
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
