import type { Mutation } from "../../audit/mutation.ts";
import { extendHold as decideExtension } from "../../ledger/extend-hold.ts";
import type { HoldRef } from "../../ledger/find-hold.ts";
import { releaseHold as decideRelease } from "../../ledger/release-hold.ts";
import { reverseCharge as decideReversal } from "../../ledger/reverse-charge.ts";
import type { ChargeRow, GrantRow, HoldRow } from "../../ledger/rows.ts";
import type { TokenCounts } from "../../ledger/usage-record.ts";
import { voidGrant as decideVoid } from "../../ledger/void-grant.ts";
import type { WorkingSet } from "../../ledger/working-set.ts";
import { ledgerSet } from "./ledger-set.ts";
import type { WriteTransaction } from "./write-transaction.ts";
import { priorAnswer, recordMutation } from "./writes/mutation.ts";

/** Which hold to keep open, with its mutation. */
export interface ExtendHoldInput {
  readonly ref: HoldRef;
  readonly usedSoFar: TokenCounts | undefined;
  readonly mutation: Mutation;
}

/** Keeps a hold open. */
export function extendHold(tx: WriteTransaction, { ref, usedSoFar, mutation }: ExtendHoldInput): HoldRow {
  return decided(tx, mutation, (set) => ({ ...decideExtension(set, ref, usedSoFar, tx.nowMs) }));
}

/** Gives up a hold. */
export function releaseHold(
  tx: WriteTransaction,
  { ref, mutation }: { readonly ref: HoldRef; readonly mutation: Mutation },
): HoldRow {
  return decided(tx, mutation, (set) => ({ ...decideRelease(set, ref, tx.nowMs) }));
}

/** Takes a grant back. */
export function voidGrant(
  tx: WriteTransaction,
  { mutation, ...order }: { readonly account: string; readonly grantId: string; readonly mutation: Mutation },
): GrantRow {
  return decided(tx, mutation, (set) => ({ ...decideVoid(set, order, tx.nowMs) }));
}

/** Undoes a charge. */
export function reverseCharge(
  tx: WriteTransaction,
  { mutation, ...order }: { readonly account: string; readonly sequence: number; readonly mutation: Mutation },
): ChargeRow {
  return decided(tx, mutation, (set) => decideReversal(set, order, tx.nowMs));
}

/** The answer that the request got before, or that of a decision made now, with its audit. */
function decided<T>(tx: WriteTransaction, mutation: Mutation, decide: (set: WorkingSet) => T): T {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as T;
  const answer = decide(ledgerSet(tx));
  recordMutation(tx, mutation, answer);
  return answer;
}
