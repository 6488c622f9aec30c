const RETRY_AFTER_MAX_MS = 3_600_000;

/**
 * The wait that a Retry-After header asks for, in milliseconds, from 0 to an hour: seconds, whole or decimal, or an HTTP date (RFC 9110
 * §10.2.3). Undefined when there is none, or none that can be read.
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  if (text === "" || text.length > 64) return undefined;
  // Date.parse finds dates in nearly anything; HTTP dates end in GMT.
  const dateMs = text.endsWith("GMT") ? Date.parse(text) : Number.NaN;
  const waitMs = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : dateMs - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.ceil(Math.min(Math.max(waitMs, 0), RETRY_AFTER_MAX_MS));
}
