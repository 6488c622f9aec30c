import type { Clock } from "./clock.ts";

const MS_PER_SECOND = 1_000;

/** Token buckets by name, all alike: each is full at first and fills up again at one rate. */
export interface TokenBuckets {
  /** Takes a token out of the bucket. Returns 0, or, when it is empty, after how many milliseconds there is one; nothing was taken then. */
  take(name: string): number;
  /** Buckets in memory. */
  readonly size: number;
}

interface Bucket {
  /** When the bucket is full again, on the monotonic clock: all that a bucket needs to remember (the virtual scheduling algorithm of ITU-T I.371). */
  fullAtMs: number;
}

/**
 * Buckets that hold `burst` tokens and get `perSecond` new ones a second, by the monotonic clock. A bucket that nobody touched for as long as it takes to fill
 * is full, and a full one is as good as none: it is forgotten together with all others of its age, so there are never more than callers took from in the
 * last two such whiles, and no timer runs.
 */
export function createTokenBuckets(
  clock: Pick<Clock, "monotonicMs">,
  { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
): TokenBuckets {
  const tokenMs = MS_PER_SECOND / perSecond;
  const fillMs = burst * tokenMs;
  let young = new Map<string, Bucket>();
  let old = new Map<string, Bucket>();
  let agedAtMs = clock.monotonicMs();

  function find(name: string, nowMs: number): Bucket {
    if (nowMs - agedAtMs >= fillMs) {
      // What is older than two whiles is full, also when nobody came for long.
      old = nowMs - agedAtMs >= 2 * fillMs ? new Map() : young;
      young = new Map();
      agedAtMs = nowMs;
    }
    let bucket = young.get(name);
    if (bucket !== undefined) return bucket;
    bucket = old.get(name) ?? { fullAtMs: nowMs };
    young.set(name, bucket);
    old.delete(name);
    return bucket;
  }

  return {
    take(name) {
      const nowMs = clock.monotonicMs();
      const bucket = find(name, nowMs);
      const fullAtMs = Math.max(bucket.fullAtMs, nowMs) + tokenMs;
      const waitMs = fullAtMs - fillMs - nowMs;
      // A thousandth of a token is forgiven: sums of fractions are not exact.
      if (waitMs > tokenMs / 1_000) return waitMs;
      bucket.fullAtMs = fullAtMs;
      return 0;
    },
    get size() {
      return young.size + old.size;
    },
  };
}
