import { MAX_NANO } from "../base/credits.ts";
import type { AccountState } from "./account-state.ts";
import { allocate } from "./allocate.ts";
import { bookTransfer, drawGrant, settleAccount } from "./movements.ts";
import type { ChargeRow, Draw } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

/** A charge before it has its place: the ledger adds its sequence, its time, and who pays what. */
export type ChargeDraft = Omit<ChargeRow, "sequence" | "overdraftNano" | "allocations" | "recordMs" | "reverses">;

/** Whether an amount still fits into the account's total, which 64 bits hold. */
export function fitsPool(state: AccountState, amountNano: bigint): boolean {
  return state.pool.spentNano + amountNano <= MAX_NANO;
}

/**
 * Books a charge for good: draws it from the account's grants in burn order, and what they do not cover from overdraft. It never refuses for lack of
 * credits: what was used was used. `freedPins` are those of the hold that the charge captured. `summedModel` is what usage is summed up by.
 */
export function bookCharge(
  set: WorkingSet,
  state: AccountState,
  draft: ChargeDraft,
  { freedPins, summedModel, nowMs }: { freedPins: readonly Draw[]; summedModel: string; nowMs: number },
): ChargeRow {
  const { pool } = state;
  const { draws, uncoveredNano } = allocate(state.grants, draft.amountNano, nowMs, freedPins);
  // Recorded time never runs backwards within an account, whatever the clock does.
  pool.recordMs = Math.max(pool.recordMs, nowMs);
  pool.chargeSequence += 1;
  pool.spentNano += draft.amountNano;
  pool.overdraftNano += uncoveredNano;
  const moved = {
    code: "USAGE",
    causeId: String(pool.chargeSequence),
    credit: `USAGE:${draft.kind}`,
    bookMs: pool.recordMs,
  } as const;
  for (const { grantId, amountNano } of draws) {
    const grant = state.grants.find((candidate) => candidate.grantId === grantId);
    if (grant !== undefined) drawGrant(set, grant, amountNano);
    bookTransfer(set, state, { ...moved, debit: `GRANT:${grantId}`, amountNano });
  }
  bookTransfer(set, state, { ...moved, debit: "OVERDRAFT", amountNano: uncoveredNano });
  const charge: ChargeRow = {
    ...draft,
    sequence: pool.chargeSequence,
    overdraftNano: uncoveredNano,
    allocations: draws,
    recordMs: pool.recordMs,
    reverses: 0,
  };
  set.addCharge(charge);
  set.addRollup(charge, summedModel);
  set.poolChanged(state);
  if (draft.amountNano > 0n || freedPins.length > 0) settleAccount(set, state, nowMs);
  return charge;
}
