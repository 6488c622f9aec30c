import { createHash } from "node:crypto";
import { PLATFORM_ACCOUNT } from "../../../base/provider.ts";
import { EVERYBODY, type FetchedList } from "../../../keyvault/model-list-ports.ts";
import type { KeyRecord, KeyRef } from "../../../keyvault/ports.ts";
import { describeProvider } from "../../../providers/descriptors.ts";
import type { WriteTransaction } from "../write-transaction.ts";

const SELECT_DIGESTS = "SELECT digest FROM model_list WHERE account = ? AND digest IS NOT NULL";

/** A list that is due from the beginning of time goes before those that are fetched again. */
const SCHEDULE = "(account, key_id, provider, key_version, due_ms, failures) VALUES (?, ?, ?, ?, 0, 0)";

/** Makes the list of a key that is being stored due at once, in place of what its predecessor had. Lists that everybody is told are fetched once for all. */
export function scheduleModelList(tx: WriteTransaction, { account, keyId, provider, version }: KeyRecord): void {
  // plori's own keys serve what the catalogue sells.
  if (account === PLATFORM_ACCOUNT) return;
  if (describeProvider(provider).models.publicPath !== undefined) {
    tx.run(`INSERT OR IGNORE INTO model_list ${SCHEDULE}`, EVERYBODY, provider, provider, 0);
    return;
  }
  removeModelList(tx, account, keyId);
  tx.run(`INSERT INTO model_list ${SCHEDULE}`, account, keyId, provider, version);
}

/** Removes the list of a key that goes. */
export function removeModelList(tx: WriteTransaction, account: string, keyId: string): void {
  const row = tx.get("SELECT digest FROM model_list WHERE account = ? AND key_id = ?", account, keyId);
  tx.run("DELETE FROM model_list WHERE account = ? AND key_id = ?", account, keyId);
  if (row !== undefined) dropUnused(tx, (row as DigestRow).digest);
}

/** Removes every list of an account. */
export function removeModelLists(tx: WriteTransaction, account: string): void {
  const rows = tx.all(SELECT_DIGESTS, account) as DigestRow[];
  tx.run("DELETE FROM model_list WHERE account = ?", account);
  for (const { digest } of rows) dropUnused(tx, digest);
}

/** A list whose fetching is put off. */
export interface DeferModelListInput {
  readonly list: KeyRef;
  readonly dueMs: number;
  readonly why: "later" | "failed";
}

/** Puts off fetching a list; one whose key version is no longer there is passed over. */
export function deferModelList(tx: WriteTransaction, { list, dueMs, why }: DeferModelListInput): void {
  tx.run(
    "UPDATE model_list SET due_ms = ?, failures = failures + ? WHERE account = ? AND key_id = ? AND key_version = ?",
    dueMs,
    why === "failed" ? 1 : 0,
    list.account,
    list.keyId,
    list.version,
  );
}

/** A list that was fetched. */
export interface PutModelListInput {
  readonly list: KeyRef;
  readonly fetched: FetchedList;
}

/** Keeps a list; one whose key version is no longer there is passed over. A list that is as it was costs no more than its time. */
export function putModelList(tx: WriteTransaction, { list, fetched }: PutModelListInput): void {
  const { account, keyId, version } = list;
  const row = tx.get(
    "SELECT digest FROM model_list WHERE account = ? AND key_id = ? AND key_version = ?",
    account,
    keyId,
    version,
  );
  if (row === undefined) return;
  const models = JSON.stringify(fetched.models);
  const digest = createHash("sha256").update(models).digest();
  tx.run("INSERT OR IGNORE INTO model_list_content (digest, models) VALUES (?, ?)", digest, models);
  tx.run(
    "UPDATE model_list SET due_ms = ?, failures = 0, fetched_ms = ?, digest = ? WHERE account = ? AND key_id = ?",
    fetched.dueMs,
    fetched.fetchedMs,
    digest,
    account,
    keyId,
  );
  dropUnused(tx, (row as DigestRow).digest);
}

interface DigestRow {
  readonly digest: Uint8Array | null;
}

/** Removes a list's content when nobody has that list any more. The connection's `secure_delete` overwrites it. */
function dropUnused(tx: WriteTransaction, digest: Uint8Array | null): void {
  if (digest === null) return;
  tx.run(
    "DELETE FROM model_list_content WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM model_list WHERE digest = ?)",
    digest,
    digest,
  );
}
