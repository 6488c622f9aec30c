import type { AuditEvent } from "../../../audit/event.ts";
import type { Mutation } from "../../../audit/mutation.ts";
import type { WrappedDataKey } from "../../../seal/ports.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";

/** A data key wrapped anew, and as it was read. */
export interface SwapDataKeyInput {
  readonly before: WrappedDataKey;
  readonly after: WrappedDataKey;
  readonly audit: AuditEvent;
}

/** Compare and swap: only the very blob that was read is replaced, so two that wrap at once, or one that destroys meanwhile, lose nothing. */
export function swapDataKey(tx: WriteTransaction, { before, after, audit }: SwapDataKeyInput): boolean {
  const changed = tx.run(
    "UPDATE data_key SET kms_key_arn = ?, wrapped = ? WHERE account = ? AND data_key_id = ? AND data_key_version = ? AND wrapped = ?",
    after.kmsKeyArn,
    after.wrapped,
    before.account,
    before.dataKeyId,
    before.dataKeyVersion,
    before.wrapped,
  );
  if (changed === 0) return false;
  tx.audit(audit);
  return true;
}

/** A mutation without rows of its own, and the answer that its request id gets. */
export interface RecordInput {
  readonly mutation: Mutation;
  readonly answer: unknown;
}

/** Records a mutation that has no rows of its own. A repeated request id records nothing. */
export function recordOnly(tx: WriteTransaction, { mutation, answer }: RecordInput): void {
  if (priorAnswer(tx, mutation) === undefined) recordMutation(tx, mutation, answer);
}
