import { LRUCache } from "lru-cache";
import type { RoutableKey } from "./ports.ts";

/** How long a trial call may take before another one may be made, in milliseconds. */
const TRIAL_MAX_MS = 120_000;
const CLAIMS_MAX = 10_000;

type KeyVersion = Pick<RoutableKey, "account" | "keyId" | "version">;

/** Which calls try a key whose account was empty: one at a time, so that a hundred agents do not all run into the same refusal. */
export interface TrialClaims {
  /** Whether another call than this one tries the key now. */
  isTaken(key: KeyVersion, call: string, nowMs: number): boolean;
  /** Lets the call try the key. It ends with `release`, or by itself after two minutes. */
  take(key: KeyVersion, call: string, nowMs: number): void;
  /** Ends the call's trial of the key; another call's goes on. */
  release(key: KeyVersion, call: string): void;
}

/** Claims in this process's memory, the 10,000 newest. */
export function createTrialClaims(): TrialClaims {
  const claims = new LRUCache<string, { readonly call: string; readonly untilMs: number }>({ max: CLAIMS_MAX });
  const nameOf = ({ account, keyId, version }: KeyVersion): string => `${account}/${keyId}/${version}`;
  return {
    isTaken(key, call, nowMs) {
      const claim = claims.get(nameOf(key));
      return claim !== undefined && claim.call !== call && claim.untilMs > nowMs;
    },
    take(key, call, nowMs) {
      claims.set(nameOf(key), { call, untilMs: nowMs + TRIAL_MAX_MS });
    },
    release(key, call) {
      if (claims.get(nameOf(key))?.call === call) claims.delete(nameOf(key));
    },
  };
}
