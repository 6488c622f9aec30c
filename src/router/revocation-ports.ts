/** Why leases were revoked. */
export type RevocationCause =
  | "KEY_DELETED"
  | "KEY_REPLACED"
  | "KEY_FAILED"
  | "AGENT_REMOVED"
  | "AGENT_MOVED"
  | "IDENTITY_BLOCKED"
  | "ACCOUNT_SHREDDED"
  | "POLICY_CHANGED";

/** Leases of one host that must no longer be used. */
export interface Revocation {
  /** Its place among all revocations, from 1: later ones have higher numbers. */
  readonly seq: bigint;
  /** Empty: every account. */
  readonly account: string;
  /** Empty: all of the account's agents. */
  readonly agent: string;
  /** Empty: every key. */
  readonly keyId: string;
  /** This version of the key or an older one; 0: all. */
  readonly keyVersion: number;
  readonly cause: RevocationCause;
  readonly timeMs: number;
}

/**
 * Revocations, each written durably in the transaction of its cause, by the stores of placements, keys, the vault and identity blocks. A row names the one host
 * that it is for: no host is ever told of an account that it held no lease of.
 *
 * For whom: a lease rests on a placement and never outlives it, so the hosts that may hold one of an account are those on which an agent of it is
 * placed at that moment, or was until so shortly ago that a slow clock may still believe so. A host from which an agent was taken away before was told that
 * then, and has been without leases of it since.
 */
export interface RevocationLog {
  /** The number of the newest revocation of all, for whatever host, forgotten ones included; 0 when there never was one. */
  newest(): Promise<bigint>;
  /** Those of `host` above `seq`, in order, at most `limit`; "forgotten" when some above `seq` (of whatever host) are not kept any more. */
  after(host: string, seq: bigint, limit: number): Promise<readonly Revocation[] | "forgotten">;
  /** Forgets what is older than any lease can be. Called now and then. */
  sweep(): Promise<void>;
}

/** Tells, in this process, that revocations were committed. */
export interface RevocationNews {
  /** The number of the newest revocation, for whatever host, that is known to be committed. */
  readonly newest: bigint;
  /** Changes whenever a revocation for `host` is committed: two equal marks mean that there was none between them. */
  mark(host: string): number;
  /** Listens for revocations of `host`; the receiver closes it. */
  listen(host: string): RevocationListener;
}

/** Hears of a host's revocations. */
export interface RevocationListener {
  /** Resolves when one was committed since the last call (at once if it had been), when `waitMs` have passed, or when `signal` aborts: whether it was. One call at a time. */
  next(waitMs: number, signal: AbortSignal): Promise<boolean>;
  close(): void;
}
