import type { AccountState } from "./account-state.ts";
import { expireHolds } from "./expire-holds.ts";
import { renewDue, settleAccount } from "./movements.ts";
import type { WorkingSet } from "./working-set.ts";

/**
 * The account's state as it is at `nowMs`: holds and grants that ended are booked as ended, and overdraft is made good by grants that began. Every decision
 * starts here, so that it goes by time and never by when somebody last swept: moments that passed unnoticed are gone through one after another.
 */
export function catchUp(set: WorkingSet, account: string, nowMs: number): AccountState {
  const state = set.account(account);
  for (;;) {
    const { dueMs, overdraftNano } = state.pool;
    if (dueMs === undefined || dueMs > nowMs) return state;
    // Only while there is overdraft does it matter what ended first: credits that a hold gave back make it good unless their grant ended before.
    const atMs = overdraftNano === 0n ? nowMs : dueMs;
    expireHolds(set, state, atMs);
    settleAccount(set, state, atMs);
    renewDue(set, state, atMs);
  }
}
