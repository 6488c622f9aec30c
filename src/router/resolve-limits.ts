import type { Clock } from "../base/clock.ts";
import { PloriError } from "../base/errors.ts";
import { createTokenBuckets, type TokenBuckets } from "../base/token-buckets.ts";

/** At once, a bucket gives what it gets in two seconds. */
const BURST_SECONDS = 2;
/** A host's own share of an account's rate, as a part of it. */
const RESERVE_PART = 10;

/** How often routes may be asked for. */
export interface ResolveRates {
  /** By one host, a second. */
  readonly perHost: number;
  /** For one account, a second. */
  readonly perAccount: number;
}

/** Keeps hosts and accounts from asking for more routes than is theirs. Each method takes a token, or throws RATE_LIMITED with the time until there is one. */
export interface ResolveLimits {
  takeHost(host: string): void;
  /** To be asked only once the host is known to run an agent of the account. */
  takeAccount(account: string, host: string): void;
}

/**
 * Limits in this process's memory. An account's bucket is shared by all hosts that run its agents; beside it every one of them has a tenth of the account's
 * rate for itself, which counts only when the shared bucket is empty. So a host that floods an account leaves the others that much.
 */
export function createResolveLimits(clock: Pick<Clock, "monotonicMs">, rates: ResolveRates): ResolveLimits {
  const hosts = bucketsOf(clock, rates.perHost);
  const accounts = bucketsOf(clock, rates.perAccount);
  const reserves = bucketsOf(clock, rates.perAccount / RESERVE_PART);
  return {
    takeHost(host) {
      const waitMs = hosts.take(host);
      if (waitMs > 0) throw hostLimited(rates.perHost, "routes", waitMs);
    },
    takeAccount(account, host) {
      const sharedWaitMs = accounts.take(account);
      if (sharedWaitMs === 0) return;
      // Neither id can hold a slash.
      const reserveWaitMs = reserves.take(`${account}/${host}`);
      if (reserveWaitMs > 0) throw accountLimited(rates.perAccount, Math.min(sharedWaitMs, reserveWaitMs));
    },
  };
}

/** Buckets of a rate, with the burst that all limits of ours allow. */
export function bucketsOf(clock: Pick<Clock, "monotonicMs">, perSecond: number): TokenBuckets {
  return createTokenBuckets(clock, { perSecond, burst: Math.max(1, perSecond * BURST_SECONDS) });
}

/** The refusal for a host that asks too fast for `what`. */
export function hostLimited(perSecond: number, what: string, waitMs: number): PloriError {
  return new PloriError({
    reason: "RATE_LIMITED",
    message: `This host asks for more ${what} than its ${perSecond} a second. Wait as told, then call again.`,
    metadata: { scope: "host" },
    retryAfterMs: Math.ceil(waitMs),
  });
}

function accountLimited(perSecond: number, waitMs: number): PloriError {
  return new PloriError({
    reason: "RATE_LIMITED",
    message: `More routes are asked for the account than its ${perSecond} a second. Reuse routes until their reuse_until_time; wait as told, then call again.`,
    metadata: { scope: "account" },
    retryAfterMs: Math.ceil(waitMs),
  });
}
