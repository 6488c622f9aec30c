const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const EXHAUSTED_FIRST_MS = 5 * MINUTE_MS;
const EXHAUSTED_MAX_MS = HOUR_MS;
const LIMIT_DEFAULT_MS = MINUTE_MS;
const LIMIT_MIN_MS = 1_000;
const LIMIT_MAX_MS = HOUR_MS;

/** How long an empty account is left alone, in milliseconds: 5 minutes, doubling to an hour with each round before this one. */
export function exhaustedMs(strikes: number): number {
  return doubledMs(EXHAUSTED_FIRST_MS, strikes, EXHAUSTED_MAX_MS);
}

/** How long a rate limit holds, in milliseconds: as long as the provider says, 1 second to an hour; a minute when it does not say. */
export function rateLimitMs(retryAfterMs: number | undefined): number {
  return Math.min(Math.max(retryAfterMs ?? LIMIT_DEFAULT_MS, LIMIT_MIN_MS), LIMIT_MAX_MS);
}

/** `firstMs`, doubled so many times, at most `maxMs`. */
export function doubledMs(firstMs: number, times: number, maxMs: number): number {
  return Math.min(firstMs * 2 ** Math.min(times, 30), maxMs);
}
