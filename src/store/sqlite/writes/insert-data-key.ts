import { refuse } from "../../../base/errors.ts";
import type { WrappedDataKey } from "../../../seal/ports.ts";
import { DATA_KEY_COLUMNS, type DataKeyRow, toWrappedDataKey } from "../rows.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { noteRotation } from "./rotation.ts";

/** Stores a data key unless the account has one of that id and version. Returns the stored one. */
export function insertDataKey(tx: WriteTransaction, key: WrappedDataKey): WrappedDataKey {
  const stored = tx.get(
    `SELECT ${DATA_KEY_COLUMNS} FROM data_key WHERE account = ? AND data_key_id = ? AND data_key_version = ?`,
    key.account,
    key.dataKeyId,
    key.dataKeyVersion,
  );
  if (stored !== undefined) return toWrappedDataKey(stored as DataKeyRow);
  const destroyed = tx.get(
    "SELECT 1 FROM data_key_destroyed WHERE account = ? AND data_key_id = ? AND last_version >= ?",
    key.account,
    key.dataKeyId,
    key.dataKeyVersion,
  );
  if (destroyed !== undefined) {
    throw refuse("ETAG_MISMATCH", "The account's data keys were destroyed meanwhile; nothing was stored. Call again.");
  }
  tx.run(
    "INSERT INTO data_key (account, data_key_id, data_key_version, kms_key_arn, wrapped, create_ms) VALUES (?, ?, ?, ?, ?, ?)",
    key.account,
    key.dataKeyId,
    key.dataKeyVersion,
    key.kmsKeyArn,
    key.wrapped,
    key.createMs,
  );
  noteRotation(tx, key);
  tx.audit({
    kind: "data-key.created",
    timeMs: tx.nowMs,
    caller: "service",
    actor: "",
    account: key.account,
    subject: `accounts/${key.account}/dataKeys/${key.dataKeyId}/${key.dataKeyVersion}`,
    details: { kms_key_arn: key.kmsKeyArn },
  });
  return key;
}
