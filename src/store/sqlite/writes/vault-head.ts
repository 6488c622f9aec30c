import type { AuditEvent } from "../../../audit/event.ts";
import type { Mutation } from "../../../audit/mutation.ts";
import type { NewHead, RemovedKey } from "../../../keyvault/vault-ports.ts";
import { EPOCH_DETAIL, type HeadRow, removedOf, SELECT_HEAD } from "../vault-rows.ts";
import type { WriteTransaction } from "../write-transaction.ts";

const UPSERT_HEAD = `INSERT OR REPLACE INTO vault_head (account, epoch, data_key_version, entries, removed, mac) VALUES (?, ?, ?, ?, '[]', ?)`;

/** Whether the head that `head` was made from is still the stored one. Ask before the first write. */
export function isCurrentHead(tx: WriteTransaction, head: NewHead): boolean {
  const row = tx.get(SELECT_HEAD, head.account) as HeadRow | undefined;
  const { epoch, removedCount } = head.replaces;
  return Number(row?.epoch ?? 0n) === epoch && removedOf(row).length === removedCount;
}

/** Stores a head. */
export function writeHead(tx: WriteTransaction, head: NewHead): void {
  tx.run(UPSERT_HEAD, head.account, head.epoch, head.dataKeyVersion, JSON.stringify(head.entries), head.mac);
}

/** Notes a removal beside the account's head, if it has one. */
export function noteRemoval(tx: WriteTransaction, account: string, removed: RemovedKey): void {
  const row = tx.get(SELECT_HEAD, account) as HeadRow | undefined;
  if (row === undefined) return;
  const list = [...removedOf(row), removed];
  tx.run("UPDATE vault_head SET removed = ? WHERE account = ?", JSON.stringify(list), account);
}

/** The event with the epoch of the head that it made, so that the audit chain knows how far the account's heads have come. */
export function withEpoch(event: AuditEvent, head: NewHead): AuditEvent {
  return { ...event, details: { ...event.details, [EPOCH_DETAIL]: String(head.epoch) } };
}

/** The mutation with the epoch of the head that it made, if it made one. */
export function mutationWithEpoch(mutation: Mutation, head: NewHead | undefined): Mutation {
  return head === undefined ? mutation : { ...mutation, audit: withEpoch(mutation.audit, head) };
}

/** A head to store, with its audit record. */
export interface RenewHeadInput {
  readonly head: NewHead;
  readonly audit: AuditEvent;
}

/** Stores a head in place of the one that it was made from. */
export function renewHead(tx: WriteTransaction, { head, audit }: RenewHeadInput): "stored" | "raced" {
  if (!isCurrentHead(tx, head)) return "raced";
  writeHead(tx, head);
  tx.audit(withEpoch(audit, head));
  return "stored";
}
