import type { KeyRecord, KeyRef, KeyStore } from "../../keyvault/ports.ts";
import type { KeyDirectory, RoutableKey } from "../../router/ports.ts";
import type { KeyUses } from "./key-uses.ts";
import type { Connection } from "./open-database.ts";
import { answerKey, readAnswer, SELECT_ANSWER } from "./requests.ts";
import { RowCache } from "./row-cache.ts";
import {
  IS_READABLE,
  KEY_COLUMNS,
  type KeyRow,
  SEALED_COLUMNS,
  type SealedRow,
  toKeyRecord,
  toSealedRecord,
} from "./rows.ts";
import type { Writer } from "./writer.ts";

/** Accounts whose keys are kept in memory (sealed, as they are in the table). */
const CACHED_ACCOUNTS_MAX = 50_000;

/** Sealed keys in SQLite: what KeyVault keeps, and what the router sees of it. `forgetLists`: drops what is kept in memory of the lists of an account's keys. */
export function createKeyStore(
  reader: Connection,
  writer: Writer,
  uses: KeyUses,
  forgetLists: (account: string) => void,
): { keyStore: KeyStore; directory: KeyDirectory; forget: (account: string) => void } {
  const selectOne = reader.prepare(`SELECT ${KEY_COLUMNS} FROM provider_key WHERE account = ? AND key_id = ?`);
  const selectPage = reader.prepare(
    `SELECT ${KEY_COLUMNS} FROM provider_key WHERE account = ? AND key_id > ? AND ${IS_READABLE} ORDER BY key_id LIMIT ?`,
  );
  const selectSealed = reader.prepare(
    `SELECT ${KEY_COLUMNS}, ${SEALED_COLUMNS} FROM provider_key WHERE account = ? AND ${IS_READABLE} ORDER BY key_id`,
  );
  const selectVersion = reader.prepare(
    "SELECT last_version AS lastVersion FROM key_version WHERE account = ? AND provider = ?",
  );
  const selectStored = reader.prepare(
    `SELECT ${KEY_COLUMNS}, ${SEALED_COLUMNS} FROM provider_key WHERE account = ? AND key_id = ?`,
  );
  const selectDue = reader.prepare(
    "SELECT account, key_id AS keyId, version FROM provider_key INDEXED BY provider_key_probe_due WHERE probe_due_ms <= ? ORDER BY probe_due_ms LIMIT ?",
  );
  const selectAnswer = reader.prepare(SELECT_ANSWER);

  const cache = new RowCache<readonly RoutableKey[]>(CACHED_ACCOUNTS_MAX, (account) => {
    const rows = selectSealed.all(account) as (KeyRow & SealedRow)[];
    return rows.length === 0 ? undefined : rows.map(toRoutableKey);
  });

  /** After keys came or went. */
  function forget(account: string): void {
    cache.forget(account);
    forgetLists(account);
  }

  function toRecord(row: KeyRow): KeyRecord {
    const record = toKeyRecord(row);
    const lastUsedMs = uses.pending(record.account, record.keyId, record.version);
    return lastUsedMs === undefined ? record : { ...record, lastUsedMs };
  }

  const keyStore: KeyStore = {
    async find(account, keyId) {
      const row = selectOne.get(account, keyId) as KeyRow | undefined;
      return row === undefined ? undefined : toRecord(row);
    },
    async list(account, limit, afterKeyId) {
      return (selectPage.all(account, afterKeyId, limit) as KeyRow[]).map(toRecord);
    },
    async lastVersion(account, provider) {
      const row = selectVersion.get(account, provider) as { lastVersion: bigint } | undefined;
      return Number(row?.lastVersion ?? 0n);
    },
    async put(key, mutation) {
      const stored = await writer.submit("putKey", { key, mutation });
      forget(key.record.account);
      return stored;
    },
    async delete(account, keyId, etag, mutation) {
      const removed = await writer.submit("deleteKey", { account, keyId, etag, mutation });
      forget(account);
      return removed;
    },
    async load(account, keyId) {
      const row = selectStored.get(account, keyId) as (KeyRow & SealedRow) | undefined;
      return row === undefined ? undefined : { record: toRecord(row), sealed: toSealedRecord(row) };
    },
    async setState(change, mutation) {
      const stored = await writer.submit("setKeyState", { change, mutation });
      cache.forget(change.account);
      return stored;
    },
    async dueProbes(nowMs, limit) {
      const rows = selectDue.all(nowMs, limit) as (Omit<KeyRef, "version"> & { version: bigint })[];
      return rows.map((row) => ({ ...row, version: Number(row.version) }));
    },
    deferProbe: (key, dueMs) => writer.submit("deferKeyProbe", { key, dueMs }),
    async findAnswer(request) {
      return readAnswer(selectAnswer.get(...answerKey(request)), request)?.answer as KeyRecord | undefined;
    },
  };
  return {
    keyStore,
    directory: { keysOf: async (account) => cache.get(account) ?? [] },
    forget,
  };
}

function toRoutableKey(row: KeyRow & SealedRow): RoutableKey {
  const { account, keyId, provider, version, state, stateUntilMs, modelLimits, hosts } = toKeyRecord(row);
  const sealed = toSealedRecord(row);
  return {
    account,
    keyId,
    provider,
    version,
    state,
    sealed,
    ...(stateUntilMs === undefined ? {} : { stateUntilMs }),
    ...(modelLimits === undefined ? {} : { modelLimits }),
    ...(hosts === undefined ? {} : { hosts }),
  };
}
