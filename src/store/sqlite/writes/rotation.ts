import type { AuditEvent } from "../../../audit/event.ts";
import type { Mutation } from "../../../audit/mutation.ts";
import type { NewHead, VaultRow } from "../../../keyvault/vault-ports.ts";
import type { SealedRecord, WrappedDataKey } from "../../../seal/ports.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { countSeal } from "./count-seal.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";
import { isCurrentHead, withEpoch, writeHead } from "./vault-head.ts";

const COUNT_OLDER =
  "SELECT count(*) AS n FROM provider_key p WHERE p.account = ? AND p.data_key_version < " +
  "(SELECT max(d.data_key_version) FROM data_key d WHERE d.account = p.account AND d.data_key_id = p.data_key_id)";

function countOlder(tx: WriteTransaction, account: string): number {
  return Number((tx.get(COUNT_OLDER, account) as { n: bigint }).n);
}

/** Notes, with the new data key, that older records are to be sealed anew: so a process that dies right after has not forgotten it. */
export function noteRotation(tx: WriteTransaction, { account }: Pick<WrappedDataKey, "account">): void {
  if (countOlder(tx, account) > 0) tx.run("INSERT OR IGNORE INTO rotation (account) VALUES (?)", account);
}

/** A rotation, with its mutation. */
export interface BeginRotationInput {
  readonly account: string;
  readonly dataKeyVersion: number;
  readonly mutation: Mutation;
}

/** How many records a rotation concerns. */
export interface RotationBegun {
  readonly dataKeyVersion: number;
  readonly recordCount: number;
}

/** Records who rotated the account's key. */
export function beginRotation(tx: WriteTransaction, input: BeginRotationInput): RotationBegun {
  const before = priorAnswer(tx, input.mutation);
  if (before !== undefined) return before.answer as RotationBegun;
  const answer = { dataKeyVersion: input.dataKeyVersion, recordCount: countOlder(tx, input.account) };
  recordMutation(tx, input.mutation, answer);
  return answer;
}

/** A record sealed anew, with the head that vouches for it. */
export interface ResealInput {
  readonly row: VaultRow;
  readonly sealed: SealedRecord;
  readonly head: NewHead;
  readonly audit: AuditEvent;
}

/** Puts a record sealed anew in the place of the one that was read. */
export function resealKey(tx: WriteTransaction, { row, sealed, head, audit }: ResealInput): "stored" | "raced" {
  const current = tx.get(
    "SELECT 1 FROM provider_key WHERE account = ? AND key_id = ? AND version = ? AND sealed = ? AND EXISTS " +
      "(SELECT 1 FROM data_key WHERE account = ? AND data_key_id = ? AND data_key_version = ?)",
    row.account,
    row.keyId,
    row.version,
    row.sealed.bytes,
    row.account,
    sealed.dataKeyId,
    sealed.dataKeyVersion,
  );
  if (current === undefined || !isCurrentHead(tx, head)) return "raced";
  tx.run(
    "UPDATE provider_key SET data_key_id = ?, data_key_version = ?, sealed = ? WHERE account = ? AND key_id = ?",
    sealed.dataKeyId,
    sealed.dataKeyVersion,
    sealed.bytes,
    row.account,
    row.keyId,
  );
  countSeal(tx, row.account, sealed);
  writeHead(tx, head);
  tx.audit(withEpoch(audit, head));
  return "stored";
}

/** Ends the account's rotation unless a record still needs an older data key. */
export function endRotation(tx: WriteTransaction, account: string): boolean {
  if (countOlder(tx, account) > 0) return false;
  tx.run("DELETE FROM rotation WHERE account = ?", account);
  return true;
}
