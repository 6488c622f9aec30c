import type { DataKeyRef, DataKeyStore, WrappedDataKey } from "../../seal/ports.ts";
import type { Connection } from "./open-database.ts";
import {
  DATA_KEY_COLUMNS,
  type DataKeyRow,
  lastDataKeyVersion,
  SELECT_LAST_DATA_KEY,
  toWrappedDataKey,
} from "./rows.ts";
import type { Writer } from "./writer.ts";

/** Wrapped data keys in SQLite. */
export function createDataKeyStore(reader: Connection, writer: Writer): DataKeyStore {
  const selectOne = reader.prepare(
    `SELECT ${DATA_KEY_COLUMNS} FROM data_key WHERE account = ? AND data_key_id = ? AND data_key_version = ?`,
  );
  const selectNewest = reader.prepare(
    `SELECT ${DATA_KEY_COLUMNS} FROM data_key WHERE account = ? AND data_key_id = ? ORDER BY data_key_version DESC LIMIT 1`,
  );
  const selectLast = reader.prepare(SELECT_LAST_DATA_KEY);
  return {
    async lastVersion(account, dataKeyId) {
      return lastDataKeyVersion(selectLast.get({ account, dataKeyId }));
    },
    async find({ account, dataKeyId, dataKeyVersion }: DataKeyRef): Promise<WrappedDataKey | undefined> {
      return toKey(selectOne.get(account, dataKeyId, dataKeyVersion));
    },
    async newest(account, dataKeyId) {
      return toKey(selectNewest.get(account, dataKeyId));
    },
    insert: (key) => writer.submit("insertDataKey", key),
  };
}

function toKey(row: unknown): WrappedDataKey | undefined {
  return row === undefined ? undefined : toWrappedDataKey(row as DataKeyRow);
}
