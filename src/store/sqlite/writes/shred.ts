import type { Mutation } from "../../../audit/mutation.ts";
import { refuse } from "../../../base/errors.ts";
import type { ShredCounts } from "../../../keyvault/vault-ports.ts";
import { IS_READABLE, KEY_COLUMNS, type KeyRow, toKeyRecord } from "../rows.ts";
import { SELECT_VAULT_STATE, toVaultState, vaultEtag } from "../vault-state.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { noteKeyEvent } from "./account-events.ts";
import { removeModelLists } from "./model-lists.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";
import { revokeAccountLeases } from "./revoke.ts";

const REMEMBER_VERSIONS = `INSERT OR REPLACE INTO data_key_destroyed (account, data_key_id, last_version)
  SELECT account, data_key_id, max(data_key_version) FROM data_key WHERE account = ? GROUP BY data_key_id`;

const SELECT_KEYS = `SELECT ${KEY_COLUMNS} FROM provider_key WHERE account = ? AND ${IS_READABLE} ORDER BY key_id`;

/** An account to destroy, with its mutation. */
export interface ShredInput {
  readonly account: string;
  readonly etag: string;
  readonly mutation: Mutation;
}

/**
 * Destroys the account's data keys and sealed keys. The connection's `secure_delete` overwrites the freed bytes. What stays is the audit, the numbers
 * that were used up, and the ledger.
 */
export function shredAccount(tx: WriteTransaction, { account, etag, mutation }: ShredInput): ShredCounts {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as ShredCounts;
  const state = toVaultState(tx.get(SELECT_VAULT_STATE, { account }));
  const name = `accounts/${account}`;
  if (state.keyCount === 0 && state.dataKeyCount === 0) {
    throw refuse("KEY_NOT_FOUND", `${name} has no keys and no data keys: there is nothing to destroy.`, {
      account: name,
    });
  }
  if (etag !== vaultEtag(state)) {
    throw refuse("ETAG_MISMATCH", `${name} changed since it was looked at: ask again with validate_only.`, {
      account: name,
    });
  }
  tx.run(REMEMBER_VERSIONS, account);
  const keys = tx.all(SELECT_KEYS, account) as KeyRow[];
  for (const table of ["data_key", "provider_key", "openrouter_connect", "vault_head", "rotation"] as const) {
    tx.run(`DELETE FROM ${table} WHERE account = ?`, account);
  }
  revokeAccountLeases(tx, { account, cause: "ACCOUNT_SHREDDED" });
  removeModelLists(tx, account);
  for (const key of keys) noteKeyEvent(tx, toKeyRecord(key), undefined);
  const answer = { keyCount: state.keyCount, dataKeyCount: state.dataKeyCount };
  const details = { ...mutation.audit.details, keys: String(answer.keyCount), data_keys: String(answer.dataKeyCount) };
  recordMutation(tx, { ...mutation, audit: { ...mutation.audit, details } }, answer);
  return answer;
}
