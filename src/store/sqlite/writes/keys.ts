import type { Mutation } from "../../../audit/mutation.ts";
import { refuse } from "../../../base/errors.ts";
import { etagOf, type KeyRecord, keyName, type NewKey } from "../../../keyvault/ports.ts";
import type { SealedRecord } from "../../../seal/ports.ts";
import { KEY_COLUMNS, type KeyRow, lastDataKeyVersion, SELECT_LAST_DATA_KEY, toKeyRecord } from "../rows.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { noteKeyEvent } from "./account-events.ts";
import { completeConnect } from "./connects.ts";
import { countSeal } from "./count-seal.ts";
import { removeModelList, scheduleModelList } from "./model-lists.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";
import { revokeAccountLeases } from "./revoke.ts";
import { isCurrentHead, mutationWithEpoch, noteRemoval, writeHead } from "./vault-head.ts";

const SELECT_KEY = `SELECT ${KEY_COLUMNS} FROM provider_key WHERE account = ? AND key_id = ?`;

const REPLACE_KEY = `INSERT OR REPLACE INTO provider_key
  (account, key_id, provider, version, revision, source, state, state_reason, state_until_ms, limit_usd_nano, remaining_usd_nano,
   limit_expire_ms, create_ms, verify_ms, last_used_ms, data_key_id, data_key_version, sealed, state_from, strikes, model_limits, hosts,
   probe_due_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?)`;

const COUNT_VERSION = `INSERT INTO key_version (account, provider, last_version) VALUES (?, ?, ?)
  ON CONFLICT (account, provider) DO UPDATE SET last_version = excluded.last_version`;

const KEEP_FINGERPRINT =
  "INSERT INTO key_fingerprint (fingerprint, account, key_id, version, provider, connect_ms) VALUES (?, ?, ?, ?, ?, ?)";

/** A key to store, with its mutation. */
export interface PutKeyInput {
  readonly key: NewKey;
  readonly mutation: Mutation;
}

/** Stores a key in place of the version that it replaces; "raced", with nothing written, when that is no longer the current one. */
export function putKey(tx: WriteTransaction, { key, mutation }: PutKeyInput): KeyRecord | "raced" {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as KeyRecord;
  const { record, sealed, replacesVersion, probeDueMs } = key;
  const current = tx.get(SELECT_KEY, record.account, record.keyId) as KeyRow | undefined;
  const counter = tx.get(
    "SELECT last_version AS lastVersion FROM key_version WHERE account = ? AND provider = ?",
    record.account,
    record.provider,
  ) as { lastVersion: bigint } | undefined;
  if (Number(current?.version ?? 0n) !== replacesVersion) return "raced";
  if (Number(counter?.lastVersion ?? 0n) + 1 !== record.version) return "raced";
  if (key.head !== undefined && !isCurrentHead(tx, key.head)) return "raced";
  if (!isNewestDataKey(tx, record.account, sealed)) return "raced";
  tx.run(COUNT_VERSION, record.account, record.provider, record.version);
  tx.run(
    REPLACE_KEY,
    record.account,
    record.keyId,
    record.provider,
    record.version,
    record.revision,
    record.source,
    record.state,
    record.stateReason,
    record.stateUntilMs ?? null,
    record.limits?.limitUsdNano ?? null,
    record.limits?.remainingUsdNano ?? null,
    record.limits?.expireMs ?? null,
    record.createMs,
    record.verifyMs ?? null,
    sealed.dataKeyId,
    sealed.dataKeyVersion,
    sealed.bytes,
    record.stateFrom ?? "PROBE",
    record.strikes ?? 0,
    toJson(record.modelLimits),
    toJson(record.hosts),
    probeDueMs,
  );
  countSeal(tx, record.account, sealed);
  scheduleModelList(tx, record);
  if (key.completesConnect !== undefined) completeConnect(tx, record.account, key.completesConnect);
  tx.run(
    KEEP_FINGERPRINT,
    key.fingerprint,
    record.account,
    record.keyId,
    record.version,
    record.provider,
    record.createMs,
  );
  if (key.head !== undefined) writeHead(tx, key.head);
  if (replacesVersion > 0) {
    const { account, keyId } = record;
    revokeAccountLeases(tx, { account, keyId, keyVersion: replacesVersion, cause: "KEY_REPLACED" });
  }
  noteKeyEvent(tx, current && toKeyRecord(current), record);
  recordMutation(tx, mutationWithEpoch(mutation, key.head), record);
  return record;
}

/** False when the record was sealed under a data key that is not the account's newest any more, or that was destroyed. */
function isNewestDataKey(tx: WriteTransaction, account: string, sealed: SealedRecord): boolean {
  const last = lastDataKeyVersion(tx.get(SELECT_LAST_DATA_KEY, { account, dataKeyId: sealed.dataKeyId }));
  if (last > sealed.dataKeyVersion) return false;
  const destroyed = tx.get(
    "SELECT 1 FROM data_key_destroyed WHERE account = ? AND data_key_id = ? AND last_version >= ?",
    account,
    sealed.dataKeyId,
    sealed.dataKeyVersion,
  );
  return destroyed === undefined;
}

/** A key to remove, with its mutation. */
export interface DeleteKeyInput {
  readonly account: string;
  readonly keyId: string;
  /** Empty: whatever it is. */
  readonly etag: string;
  readonly mutation: Mutation;
}

/** Removes a key and returns it as it was. The connection's `secure_delete` overwrites the freed bytes. */
export function deleteKey(tx: WriteTransaction, { account, keyId, etag, mutation }: DeleteKeyInput): KeyRecord {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as KeyRecord;
  const row = tx.get(SELECT_KEY, account, keyId) as KeyRow | undefined;
  const name = keyName(account, keyId);
  if (row === undefined) throw refuse("KEY_NOT_FOUND", `${name} does not exist.`, { key: name });
  const record = toKeyRecord(row);
  if (etag !== "" && etag !== etagOf(record)) {
    throw refuse("ETAG_MISMATCH", `${name} changed since it was read: read it again.`, {
      key: name,
      etag: etagOf(record),
    });
  }
  tx.run("DELETE FROM provider_key WHERE account = ? AND key_id = ?", account, keyId);
  removeModelList(tx, account, keyId);
  noteRemoval(tx, account, { keyId, version: record.version });
  revokeAccountLeases(tx, { account, keyId, keyVersion: record.version, cause: "KEY_DELETED" });
  noteKeyEvent(tx, record, undefined);
  recordMutation(tx, mutation, record);
  return record;
}

/** That a key version was released at a time. */
export interface KeyUse {
  readonly account: string;
  readonly keyId: string;
  readonly version: number;
  readonly timeMs: number;
}

/** Notes when keys were last released. A use of a version that is no longer there is passed over. */
export function noteKeysUsed(tx: WriteTransaction, uses: readonly KeyUse[]): void {
  for (const use of uses) {
    tx.run(
      "UPDATE provider_key SET last_used_ms = ? WHERE account = ? AND key_id = ? AND version = ? AND (last_used_ms IS NULL OR last_used_ms < ?)",
      use.timeMs,
      use.account,
      use.keyId,
      use.version,
      use.timeMs,
    );
  }
}

/** What stands in a column that holds JSON, or nothing. */
export function toJson(value: object | undefined): string {
  return value === undefined ? "" : JSON.stringify(value);
}
