import type { StoredAccountEvent } from "./account-event.ts";

/**
 * Where events about accounts are kept for those who watch. Each was written in the transaction of what caused it, so that none is told that did not happen
 * and none that happened is forgotten.
 */
export interface AccountEventLog {
  /** The number of the newest event that was ever committed, or 0. */
  newest(): Promise<bigint>;
  /** Events after number `seq`, oldest first, at most `limit`, which may be 0. "forgotten": some after `seq` are not kept any more. */
  after(seq: bigint, limit: number): Promise<readonly StoredAccountEvent[] | "forgotten">;
  /**
   * Forgets events of before `beforeMs`, and those beyond the newest `keep`, at most 1,000 at a time. Returns how many. May throw STORAGE_FULL, OVERLOADED or
   * DRAINING.
   */
  prune(beforeMs: number, keep: number): Promise<number>;
}

/**
 * Tells when there are new events, once they can be read and before whoever caused them has its answer. The topics are the accounts, and `EVERY_ACCOUNT`.
 */
export interface AccountEventNews {
  /** The highest number that was told of; at the start, the newest. */
  readonly newest: bigint;
  listen(...accounts: readonly string[]): AccountEventListener;
}

/** Waits for events of its accounts. */
export interface AccountEventListener {
  /** Resolves when there were new ones since the last call (at once if so), when `waitMs` have passed, or when `signal` aborts: whether there were. */
  next(waitMs: number, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

/** The topic of every event. No account has this id. */
export const EVERY_ACCOUNT = "";
