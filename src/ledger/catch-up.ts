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
    // It matters what ended first while there is overdraft, which credits that a hold gave back make good unless their grant ended before, and while there
    // are holds, whose calls are charged for when they end without a report.
    const atMs = overdraftNano === 0n && state.holds.size === 0 ? nowMs : dueMs;
    expireHolds(set, state, atMs);
    settleAccount(set, state, atMs);
    renewDue(set, state, atMs);
  }
}
