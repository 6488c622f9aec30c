import type { Secret } from "../base/secret.ts";
import type { RecordIdentity, SealedRecord } from "./ports.ts";

/**
 * Seals secrets under per-account data keys and opens them again.
 *
 * Errors, all `PloriError`: KMS_UNAVAILABLE (nobody answered in time and nothing usable is cached; retry), KEY_UNREADABLE (the KMS refuses
 * the data key), RECORD_CORRUPT (the record, or its data key, fails a check: it was altered, moved or belongs elsewhere).
 */
export interface Sealer {
  /** Seals `secret`, making the account's data key if it has none yet. The secret stays the caller's to wipe. */
  seal(identity: RecordIdentity, secret: Secret): Promise<SealedRecord>;
  /** Opens a record. The receiver wipes the secret. */
  open(identity: RecordIdentity, record: SealedRecord): Promise<Secret>;
  /**
   * Opens a record without waiting, when its data key is cached and fresh; undefined when `open` must be asked. Same errors.
   * This is the hot path: it makes no promise and, once a record was opened, derives no key.
   */
  openWarm(identity: RecordIdentity, record: SealedRecord): Secret | undefined;
  /**
   * A keyed fingerprint of a secret (HMAC-SHA256, 32 bytes) under a key of this installation's own, so that two payloads can be compared
   * without keeping the secret. Equal secrets give equal fingerprints for the life of the installation.
   */
  fingerprint(secret: Secret): Promise<Buffer>;
  /** Forgets every cached key of the account. */
  evict(account: string): void;
  /** Forgets every cached key. */
  close(): void;
}
