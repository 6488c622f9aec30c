import type { AuditEvent } from "../audit/event.ts";
import type { Mutation, RequestKey } from "../audit/mutation.ts";
import type { SealedRecord, WrappedDataKey } from "../seal/ports.ts";

/** One key that an account has, as its head vouches for it. */
export interface HeadEntry {
  readonly keyId: string;
  readonly version: number;
  /** SHA-256 of the sealed bytes, in lower-case hex. */
  readonly digest: string;
}

/** What an account's sealed keys must be, under a MAC of the account's data key. */
export interface VaultHead {
  readonly account: string;
  /** Counts the account's heads, from 1. */
  readonly epoch: number;
  /** The version of the data key that the MAC is made with. */
  readonly dataKeyVersion: number;
  /** Ordered by key id. */
  readonly entries: readonly HeadEntry[];
  readonly mac: Uint8Array;
}

/** A head to store, and the one that was read before it was made: another one stored since wins. */
export interface NewHead extends VaultHead {
  /** Its epoch (0 for none), and how many removals were noted beside it. */
  readonly replaces: { readonly epoch: number; readonly removedCount: number };
}

/** A key that was removed since the head was made. Without a MAC, since a removal never needs KMS: it can only take away. */
export type RemovedKey = Pick<HeadEntry, "keyId" | "version">;

/** Everything stored about an account's head. */
export interface HeadState {
  readonly head?: VaultHead;
  readonly removed: readonly RemovedKey[];
  /** The epoch that the audit chain last recorded for the account; 0 for none. A head older than that was put back. */
  readonly auditedEpoch: number;
}

/** A sealed key as it lies in the table, not interpreted: whoever can write to the database may have put anything there. */
export interface VaultRow {
  readonly account: string;
  readonly keyId: string;
  readonly provider: string;
  readonly version: number;
  readonly sealed: SealedRecord;
}

/** What destroying an account would take, or took. */
export interface ShredCounts {
  readonly keyCount: number;
  readonly dataKeyCount: number;
}

/** Where heads, and everything that operators do to the vault, are kept. Every method may throw STORAGE_FULL, OVERLOADED or DRAINING. */
export interface VaultStore {
  headState(account: string): Promise<HeadState>;
  /** The account's sealed keys, ordered by key id. */
  rowsOf(account: string): Promise<readonly VaultRow[]>;
  /** Stores a head in place of the one that it replaces, with its audit record; "raced" when that is no longer the current one. */
  renewHead(head: NewHead, audit: AuditEvent): Promise<"stored" | "raced">;
  /** Accounts with removals that their head does not contain yet, ordered, those after `afterAccount`. */
  accountsToFold(afterAccount: string, limit: number): Promise<readonly string[]>;

  /** The answer given before under this request id, or undefined. Throws REQUEST_ID_CONFLICT. */
  findAnswer(request: RequestKey): Promise<unknown>;
  /** Records a mutation that has no rows of its own. */
  record(mutation: Mutation, answer: unknown): Promise<void>;

  /**
   * Notes that the account's records must be sealed anew under `dataKeyVersion`. Returns how many there are, or, for a repeated request id, the
   * first answer.
   */
  beginRotation(
    account: string,
    dataKeyVersion: number,
    mutation: Mutation,
  ): Promise<{ readonly dataKeyVersion: number; readonly recordCount: number }>;
  /** Accounts whose records are not all sealed under their newest data key, ordered, those after `afterAccount`. */
  accountsInRotation(afterAccount: string, limit: number): Promise<readonly string[]>;
  /** Stores a row's record sealed anew, with the head and the audit record that go with it; "raced" when row or head changed since. */
  reseal(row: VaultRow, sealed: SealedRecord, head: NewHead, audit: AuditEvent): Promise<"stored" | "raced">;
  /** Accounts whose newest data key has sealed `SEALS_PER_DATA_KEY_MAX` stored records, ordered, those after `afterAccount`. */
  accountsToRotate(afterAccount: string, limit: number): Promise<readonly string[]>;
  /** The most stored records that any one data key has sealed. */
  mostSeals(): Promise<number>;
  /** Ends the account's rotation unless a record still needs an older data key. Returns whether it ended. */
  endRotation(account: string): Promise<boolean>;

  /** How many data keys other KMS keys than this one wrap. */
  countNotWrappedBy(kmsKeyArn: string): Promise<number>;
  /** Data keys that other KMS keys wrap, in a fixed order, those after `after`, at most `limit`. */
  notWrappedBy(
    kmsKeyArn: string,
    after: Omit<WrappedDataKey, "wrapped" | "createMs"> | undefined,
    limit: number,
  ): Promise<readonly WrappedDataKey[]>;
  /** Puts `after` in the place of `before`, with its audit record, unless `before` is no longer what is stored. Returns whether it did. */
  swapDataKey(before: WrappedDataKey, after: WrappedDataKey, audit: AuditEvent): Promise<boolean>;

  /** What the account has, and its etag, which changes with every key that comes or goes and every rotation. Undefined when it has nothing. */
  describeAccount(account: string): Promise<(ShredCounts & { readonly etag: string }) | undefined>;
  /**
   * Destroys the account's wrapped data keys and sealed keys. Throws KEY_NOT_FOUND when there is nothing, ETAG_MISMATCH when it changed. When this
   * resolves the bytes are gone from the tables, but perhaps not from the write-ahead log: `truncateLog`. The account's leases are revoked in
   * the same transaction.
   */
  shred(account: string, etag: string, mutation: Mutation): Promise<ShredCounts>;
  /** Has the write-ahead log written back and cut to nothing. False when a reader held it up for as long as was tried. */
  truncateLog(): Promise<boolean>;

  /** Accounts that have sealed keys or a head, ordered, those after `afterAccount`. */
  accounts(afterAccount: string, limit: number): Promise<readonly string[]>;
}
