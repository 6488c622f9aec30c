import type { VaultStore } from "../../keyvault/vault-ports.ts";
import type { Connection } from "./open-database.ts";
import { answerKey, readAnswer, SELECT_ANSWER } from "./requests.ts";
import { DATA_KEY_COLUMNS, type DataKeyRow, toWrappedDataKey } from "./rows.ts";
import { createSealCounts } from "./seal-counts.ts";
import { SELECT_AUDITED_HEAD, SELECT_HEAD, SELECT_VAULT_ROWS, toHeadState, toVaultRow } from "./vault-rows.ts";
import { SELECT_VAULT_STATE, toVaultState, vaultEtag } from "./vault-state.ts";
import type { Writer } from "./writer.ts";

/** How often cutting the log is tried, and the wait between two tries in milliseconds. */
const TRUNCATE_TRIES_MAX = 5;
const TRUNCATE_PAUSE_MS = 50;

/** Accounts with a head or with sealed keys. Each half is cut to the page first, so that a page costs a page whatever the size of the tables. */
const SELECT_ACCOUNTS =
  "SELECT account FROM (SELECT * FROM (SELECT account FROM vault_head WHERE account > @after ORDER BY account LIMIT @limit) " +
  "UNION SELECT * FROM (SELECT DISTINCT account FROM provider_key WHERE account > @after ORDER BY account LIMIT @limit)) " +
  "ORDER BY account LIMIT @limit";

/** Data keys wrapped by KMS keys on one side of a given one, in the order of `data_key_by_kms_key`: those that are done are not even looked at. */
function selectOthers(side: "<" | ">"): string {
  return (
    `SELECT ${DATA_KEY_COLUMNS} FROM data_key WHERE kms_key_arn ${side} ? AND ` +
    "(kms_key_arn, account, data_key_id, data_key_version) > (?, ?, ?, ?) " +
    "ORDER BY kms_key_arn, account, data_key_id, data_key_version LIMIT ?"
  );
}

/** Heads and the operators' work on the vault, in SQLite. `forget` drops what is kept in memory of an account's sealed keys. */
export function createVaultStore(reader: Connection, writer: Writer, forget: (account: string) => void): VaultStore {
  const selectHead = reader.prepare(SELECT_HEAD);
  const selectAudited = reader.prepare(SELECT_AUDITED_HEAD);
  const selectRows = reader.prepare(SELECT_VAULT_ROWS);
  const selectState = reader.prepare(SELECT_VAULT_STATE);
  const selectAnswer = reader.prepare(SELECT_ANSWER);
  const selectToFold = reader.prepare(
    "SELECT account FROM vault_head WHERE removed <> '[]' AND account > ? ORDER BY account LIMIT ?",
  );
  const selectRotations = reader.prepare("SELECT account FROM rotation WHERE account > ? ORDER BY account LIMIT ?");
  const selectAccounts = reader.prepare(SELECT_ACCOUNTS);
  const countOthers = reader.prepare(
    "SELECT (SELECT count(*) FROM data_key WHERE kms_key_arn < @arn) + (SELECT count(*) FROM data_key WHERE kms_key_arn > @arn) AS n",
  );
  const selectBelow = reader.prepare(selectOthers("<"));
  const selectAbove = reader.prepare(selectOthers(">"));
  const accountsOf = (rows: readonly unknown[]): string[] => rows.map((row) => (row as { account: string }).account);
  const numberOf = (row: unknown): number => Number((row as { n: bigint }).n);

  return {
    ...createSealCounts(reader),
    async headState(account) {
      return toHeadState(selectHead.get(account), selectAudited.get(account));
    },
    async rowsOf(account) {
      return selectRows.all(account).map(toVaultRow);
    },
    renewHead: (head, audit) => writer.submit("renewHead", { head, audit }),
    async accountsToFold(after, limit) {
      return accountsOf(selectToFold.all(after, limit));
    },
    async findAnswer(request) {
      return readAnswer(selectAnswer.get(...answerKey(request)), request)?.answer;
    },
    record: (mutation, answer) => writer.submit("recordOnly", { mutation, answer }),
    beginRotation: (account, dataKeyVersion, mutation) =>
      writer.submit("beginRotation", { account, dataKeyVersion, mutation }),
    async accountsInRotation(after, limit) {
      return accountsOf(selectRotations.all(after, limit));
    },
    async reseal(row, sealed, head, audit) {
      const outcome = await writer.submit("resealKey", { row, sealed, head, audit });
      forget(row.account);
      return outcome;
    },
    endRotation: (account) => writer.submit("endRotation", account),
    async countNotWrappedBy(arn) {
      return numberOf(countOthers.get({ arn }));
    },
    async notWrappedBy(kmsKeyArn, after, limit) {
      const from = after ?? { kmsKeyArn: "", account: "", dataKeyId: "", dataKeyVersion: 0 };
      const cursor = [from.kmsKeyArn, from.account, from.dataKeyId, from.dataKeyVersion];
      const rows = selectBelow.all(kmsKeyArn, ...cursor, limit);
      if (rows.length < limit) rows.push(...selectAbove.all(kmsKeyArn, ...cursor, limit - rows.length));
      return rows.map((row) => toWrappedDataKey(row as DataKeyRow));
    },
    swapDataKey: (before, after, audit) => writer.submit("swapDataKey", { before, after, audit }),
    async describeAccount(account) {
      const state = toVaultState(selectState.get({ account }));
      const { keyCount, dataKeyCount } = state;
      return keyCount === 0 && dataKeyCount === 0 ? undefined : { keyCount, dataKeyCount, etag: vaultEtag(state) };
    },
    async shred(account, etag, mutation) {
      const counts = await writer.submit("shredAccount", { account, etag, mutation });
      forget(account);
      return counts;
    },
    async truncateLog() {
      for (let tries = 1; ; tries += 1) {
        if (await writer.truncateLog()) return true;
        if (tries === TRUNCATE_TRIES_MAX) return false;
        await new Promise<void>((resolve) => setTimeout(resolve, TRUNCATE_PAUSE_MS));
      }
    },
    async accounts(after, limit) {
      return accountsOf(selectAccounts.all({ after, limit }));
    },
  };
}
