import type { Mutation, RequestKey } from "../audit/mutation.ts";
import type { Provider } from "../base/provider.ts";
import type { Secret } from "../base/secret.ts";
import type { Verdict } from "../providers/verdict.ts";
import type { SealedRecord } from "../seal/ports.ts";
import type { NewHead } from "./vault-ports.ts";

/** How a key came to be here. */
export type KeySource = "PASTED" | "ONE_CLICK";

/** What is known about a key (DESIGN §3: only our own probe sets DEAD or BLOCKED). */
export type KeyState = "ACTIVE" | "UNVERIFIED" | "RATE_LIMITED" | "EXHAUSTED" | "BLOCKED" | "DEAD" | "UNREADABLE";

/** What a provider tells about a key's allowance; an absent field: no limit, or not told. */
export interface KeyLimits {
  readonly limitUsdNano?: bigint;
  readonly remainingUsdNano?: bigint;
  readonly expireMs?: number;
}

/** That a key exists and how it is. Holds no part of the key: safe to store as an answer, to log, and to return. */
export interface KeyRecord {
  readonly account: string;
  /** Names the key within its account: the provider's slug for users' keys; plori's own may have others, several for one provider. */
  readonly keyId: string;
  readonly provider: Provider;
  /** Counts the keys that the account connected for the provider, from 1; never used twice, not even after a removal. */
  readonly version: number;
  /** Counts the changes of this version, from 1; with `version` it makes the etag. */
  readonly revision: number;
  readonly source: KeySource;
  readonly state: KeyState;
  /** A short phrase of ours; empty when there is nothing to say. */
  readonly stateReason: string;
  readonly stateUntilMs?: number;
  /** REPORT: the state rests on what an agent host told. Absent: our own probe, or our own try to open the key. */
  readonly stateFrom?: "REPORT";
  /** How often in a row the state was found again; waits grow by it. Absent: 0. */
  readonly strikes?: number;
  /** Until when, in milliseconds since the epoch, the provider limits the rate of which of its models; "" stands for all of them. Absent: no model in particular. */
  readonly modelLimits?: Readonly<Record<string, number>>;
  /** plori's own keys: the hosts that alone may get it. Absent: any. */
  readonly hosts?: readonly string[];
  readonly limits?: KeyLimits;
  readonly createMs: number;
  readonly verifyMs?: number;
  readonly lastUsedMs?: number;
}

/** A key as it is stored. */
export interface StoredKey {
  readonly record: KeyRecord;
  readonly sealed: SealedRecord;
}

/** What a new key, or a new version of one, replaces: the version that was current when the caller looked, 0 for none. */
export interface NewKey extends StoredKey {
  /** The secret's keyed fingerprint, 32 bytes. It stays when the key is replaced or removed, so that a leaked secret is recognised. */
  readonly fingerprint: Uint8Array;
  readonly replacesVersion: number;
  /** When it should be probed again, in milliseconds since the epoch. */
  readonly probeDueMs: number;
  /** The id of the one-click connect that brought it: completed in the same transaction. */
  readonly completesConnect?: string;
  /** The account's head with this key in it, stored in the same transaction. */
  readonly head?: NewHead;
}

/** Names one version of a key. */
export interface KeyRef {
  readonly account: string;
  readonly keyId: string;
  readonly version: number;
}

/** How a key is: the part of its record that probes, reports and time change. */
export type KeyStanding = Pick<
  KeyRecord,
  "state" | "stateReason" | "stateUntilMs" | "stateFrom" | "strikes" | "modelLimits" | "limits" | "verifyMs"
>;

/** A new standing for the revision of a key that its maker looked at. */
export interface KeyStateChange extends KeyRef {
  /** The revision that `standing` was made from. */
  readonly revision: number;
  readonly standing: KeyStanding;
  /** When it should be probed again, in milliseconds since the epoch. */
  readonly probeDueMs: number;
}

/** Where sealed keys are kept. Every method may throw STORAGE_FULL, OVERLOADED or DRAINING. */
export interface KeyStore {
  /** The account's key with that id, or undefined. */
  find(account: string, keyId: string): Promise<KeyRecord | undefined>;
  /** The account's keys ordered by key id, those after `afterKeyId`, at most `limit`. One unreadable row never breaks the list. */
  list(account: string, limit: number, afterKeyId: string): Promise<readonly KeyRecord[]>;
  /** The highest version that the account ever had for the provider; 0 when none. The next key takes the one after it. */
  lastVersion(account: string, provider: Provider): Promise<number>;
  /**
   * Stores a key durably, in one transaction with its mutation, in place of `replacesVersion`; the older version's sealed bytes are overwritten.
   * Returns the record as stored, or, for a repeated request id, the first answer. Returns "raced" and writes nothing when another version was stored
   * since the caller looked (its version is taken, or `replacesVersion` is no longer current), or when the head or the data key is no longer the
   * account's newest: look again and seal again. Leases on the replaced version are revoked in the same transaction (the router's `RevocationLog`).
   */
  put(key: NewKey, mutation: Mutation): Promise<KeyRecord | "raced">;
  /**
   * Removes a key: its sealed bytes are gone from the table when this resolves. `etag` empty: whatever it is.
   * Throws KEY_NOT_FOUND, or ETAG_MISMATCH when the key changed. Returns the record as it was. Leases on it are
   * revoked in the same transaction.
   */
  delete(account: string, keyId: string, etag: string, mutation: Mutation): Promise<KeyRecord>;
  /** The account's key with its sealed bytes, or undefined. */
  load(account: string, keyId: string): Promise<StoredKey | undefined>;
  /**
   * Gives a key a new standing, durably, in one transaction with its mutation, if there is one; only if it still is at that version and revision. Returns
   * the record as stored, with the next revision, or, for a repeated request id, the first answer; "raced", with nothing written, when it changed meanwhile.
   * A key that becomes DEAD or BLOCKED has its leases revoked in the same transaction.
   */
  setState(change: KeyStateChange, mutation?: Mutation): Promise<KeyRecord | "raced">;
  /** The keys that should be probed by `nowMs`, those that wait longest first, at most `limit`. */
  dueProbes(nowMs: number, limit: number): Promise<readonly KeyRef[]>;
  /** Puts off the next probe of a key version, in milliseconds since the epoch. No change of the key: its revision stays. */
  deferProbe(key: KeyRef, dueMs: number): Promise<void>;
  /** The answer given before under this request id, or undefined. Throws REQUEST_ID_CONFLICT. */
  findAnswer(request: RequestKey): Promise<KeyRecord | undefined>;
}

/** Asks a provider about a key. */
export interface KeyProber {
  /**
   * One bounded request to the provider's validation endpoint. Never throws for what the provider does: silence and nonsense are verdicts too.
   * The secret stays the caller's to wipe.
   */
  probe(
    provider: Provider,
    secret: Secret,
    signal?: AbortSignal,
  ): Promise<Pick<Verdict, "outcome" | "reason" | "limits" | "retryAfterMs">>;
}

/** The etag of a key: changes with every change of it. */
export function etagOf(record: Pick<KeyRecord, "version" | "revision">): string {
  return `${record.version}.${record.revision}`;
}

/** The resource name of a key. */
export function keyName(account: string, keyId: string): string {
  return `accounts/${account}/keys/${keyId}`;
}
