import type { Checkpoint } from "../../../audit/checkpoint.ts";
import type { Mutation } from "../../../audit/mutation.ts";
import type { StoredSigningKey } from "../../../audit/ports.ts";
import type { ChainBase } from "../../../audit/verify.ts";
import { FieldChecker } from "../../../base/fields.ts";
import { readBase } from "../audit-base.ts";
import { SELECT_SIGNING_KEYS, type SigningKeyRow, toSigningKey } from "../audit-rows.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";

/** The head of the chain as the writer itself remembers it. */
export function auditHead(tx: WriteTransaction): ChainBase {
  return tx.head;
}

/** Stores a checkpoint unless there is one of that size. */
export function putCheckpoint(tx: WriteTransaction, { size, note, timeMs }: Checkpoint & { timeMs: number }): void {
  tx.run("INSERT OR IGNORE INTO audit_checkpoint (size, note, time_ms) VALUES (?, ?, ?)", size, note, timeMs);
}

/** Stores a signing key unless there is one of that version. Returns the stored one. */
export function putSigningKey(
  tx: WriteTransaction,
  { version, sealed, timeMs }: StoredSigningKey & { timeMs: number },
): StoredSigningKey {
  tx.run(
    "INSERT OR IGNORE INTO audit_signing_key (version, data_key_id, data_key_version, sealed, create_ms) VALUES (?, ?, ?, ?, ?)",
    version,
    sealed.dataKeyId,
    sealed.dataKeyVersion,
    sealed.bytes,
    timeMs,
  );
  return toSigningKey(tx.get(`${SELECT_SIGNING_KEYS} WHERE version = ?`, version) as SigningKeyRow);
}

/** What was exported, with its audit record. */
export interface NoteExportInput {
  readonly afterSeq: bigint;
  readonly throughSeq: bigint;
  readonly mutation: Mutation;
}

/** Notes an export. Only one that goes on from what was exported before moves the mark: nothing between may be missing. */
export function noteExport(tx: WriteTransaction, { afterSeq, throughSeq, mutation }: NoteExportInput): void {
  tx.run(
    "UPDATE audit_state SET exported_seq = ? WHERE exported_seq < ? AND max(exported_seq, base_seq) >= ?",
    throughSeq,
    throughSeq,
    afterSeq,
  );
  tx.audit(mutation.audit);
}

/** A new base, with its mutation. */
export interface MoveBaseInput {
  readonly base: ChainBase;
  readonly mutation: Mutation;
}

/** Moves the base to a record that was exported, has that hash, and has a checkpoint. */
export function moveBase(tx: WriteTransaction, { base, mutation }: MoveBaseInput): void {
  if (priorAnswer(tx, mutation) !== undefined || readBase(tx.db).seq >= base.seq) return;
  const { exported } = tx.get("SELECT exported_seq AS exported FROM audit_state") as { exported: bigint };
  const record = tx.get("SELECT hash FROM audit WHERE seq = ?", base.seq) as { hash: Uint8Array } | undefined;
  const fields = new FieldChecker();
  fields.check(base.seq <= exported, "through_sequence", `must have been exported: the export reached ${exported}`);
  fields.check(
    tx.get("SELECT 1 FROM audit_checkpoint WHERE size = ?", base.seq) !== undefined,
    "through_sequence",
    "must be the size of a signed checkpoint, so that what follows stays verifiable",
  );
  fields.check(
    record !== undefined && Buffer.compare(record.hash, base.hash) === 0,
    "hash",
    "must be the hash of that record, as it was exported",
  );
  fields.done();
  tx.run("UPDATE audit_state SET base_seq = ?, base_hash = ?", base.seq, base.hash);
  recordMutation(tx, mutation, {});
}

/** Removes a bounded number of records up to the base. Returns how many. What tells where accounts occur stays: releases are found by it, and they stay. */
export function removeBelowBase(tx: WriteTransaction, limit: number): number {
  const { seq } = readBase(tx.db);
  return tx.run(
    "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq <= ? ORDER BY seq LIMIT ?)",
    seq,
    limit,
  );
}
