import { randomBytes } from "node:crypto";
import { entryOf } from "../../src/keyvault/heads/head.ts";
import { keyName, type NewKey } from "../../src/keyvault/ports.ts";
import type { WrappedDataKey } from "../../src/seal/ports.ts";
import type { CommandInput } from "../../src/store/sqlite/executors.ts";
import { type Connection, openWriter, truncateLog } from "../../src/store/sqlite/open-database.ts";
import type { Batch } from "../../src/store/sqlite/protocol.ts";
import { runBatch } from "../../src/store/sqlite/run-batch.ts";
import { WriteTransaction } from "../../src/store/sqlite/write-transaction.ts";

const ACCOUNTS_PER_COMMIT = 500;
const CACHE_KIB = 512 * 1024;
const DAY_MS = 86_400_000;
const HEAD_MAC_BYTES = 32;
const FINGERPRINT_BYTES = 32;
const CALLER = "spiffe://dev.plori.internal/settings/dev";

/** What a real key's rows look like. */
interface Model {
  readonly kmsKeyArn: string;
  readonly wrappedBytes: number;
  readonly dataKeyId: string;
  readonly sealed: Uint8Array;
}

/**
 * Fills a stopped service's database with keys of accounts that never call: through the store's own commands, so that every row, audit record and index is
 * there, but with bytes that open for nobody. Their accounts stand evenly between the `hot` ones, in order. Nothing of it is due to be probed today.
 */
export function addColdKeys(databasePath: string, hot: readonly string[], count: number): void {
  const db = openWriter(databasePath);
  try {
    // A machine that dies here loses a database that nobody needs.
    db.pragma("synchronous = OFF");
    db.pragma(`cache_size = -${CACHE_KIB}`);
    const tx = new WriteTransaction(db);
    const model = readModel(db, hot[0] ?? "");
    let commands: Batch["commands"][number][] = [];
    for (const account of coldAccounts(hot, count)) {
      commands.push(...connectCommands(account, model, Date.now()));
      if (commands.length < ACCOUNTS_PER_COMMIT * 2) continue;
      commit(tx, commands);
      commands = [];
    }
    commit(tx, commands);
    truncateLog(db);
  } finally {
    db.close();
  }
}

/** Ids in the order of the tables: after each hot account its share of cold ones. */
function* coldAccounts(hot: readonly string[], count: number): Generator<string, void, undefined> {
  for (const [at, account] of hot.entries()) {
    const share = Math.floor(((at + 1) * count) / hot.length) - Math.floor((at * count) / hot.length);
    for (let i = 0; i < share; i += 1) yield `${account}.${i.toString().padStart(7, "0")}`;
  }
}

function commit(tx: WriteTransaction, commands: Batch["commands"]): void {
  if (commands.length === 0) return;
  for (const result of runBatch(tx, { nowMs: Date.now(), commands })) {
    if (!result.ok) throw new Error(`a cold key was not stored: ${JSON.stringify(result)}`);
    if (result.answer === "raced") throw new Error("a cold key was not stored: its account has one");
  }
}

function connectCommands(account: string, model: Model, nowMs: number): Batch["commands"] {
  const dataKey: WrappedDataKey = {
    account,
    dataKeyId: model.dataKeyId,
    dataKeyVersion: 1,
    kmsKeyArn: model.kmsKeyArn,
    wrapped: randomBytes(model.wrappedBytes),
    createMs: nowMs,
  };
  const putKey: CommandInput<"putKey"> = {
    key: coldKey(account, model, nowMs),
    mutation: {
      audit: {
        kind: "key.connected",
        timeMs: nowMs,
        caller: CALLER,
        actor: "",
        account,
        subject: keyName(account, "openai"),
        details: { provider: "openai", version: "1", state: "ACTIVE", source: "PASTED", fingerprint: "0".repeat(64) },
      },
    },
  };
  return [
    ["insertDataKey", dataKey],
    ["putKey", putKey],
  ];
}

function coldKey(account: string, { dataKeyId, sealed }: Model, nowMs: number): NewKey {
  // The head of a record is read before it is opened, so it must look right; the rest is noise.
  const bytes = Buffer.concat([sealed.subarray(0, 9), randomBytes(sealed.length - 9)]);
  const key = { dataKeyId, dataKeyVersion: 1, bytes };
  return {
    record: {
      account,
      keyId: "openai",
      provider: "openai",
      version: 1,
      revision: 1,
      source: "PASTED",
      state: "ACTIVE",
      stateReason: "",
      createMs: nowMs,
      verifyMs: nowMs,
    },
    sealed: key,
    fingerprint: randomBytes(FINGERPRINT_BYTES),
    replacesVersion: 0,
    probeDueMs: nowMs + DAY_MS + Math.floor(Math.random() * DAY_MS),
    head: {
      account,
      epoch: 1,
      dataKeyVersion: 1,
      entries: [entryOf({ keyId: "openai", version: 1, sealed: key })],
      mac: randomBytes(HEAD_MAC_BYTES),
      replaces: { epoch: 0, removedCount: 0 },
    },
  };
}

function readModel(db: Connection, account: string): Model {
  const row = db
    .prepare(
      `SELECT kms_key_arn AS kmsKeyArn, length(wrapped) AS wrappedBytes, data_key_id AS dataKeyId, sealed
       FROM provider_key JOIN data_key USING (account, data_key_id, data_key_version) WHERE account = ?`,
    )
    .get(account) as (Omit<Model, "wrappedBytes"> & { readonly wrappedBytes: bigint }) | undefined;
  if (row === undefined) throw new Error("there is no hot key to take after");
  return { ...row, wrappedBytes: Number(row.wrappedBytes) };
}
