import type { AccountState } from "./account-state.ts";
import { resolveHold } from "./movements.ts";
import type { WorkingSet } from "./working-set.ts";

/** Ends the account's holds whose time is over. Their usage may still be recorded: late, and without credits set aside for it. */
export function expireHolds(set: WorkingSet, state: AccountState, nowMs: number): void {
  for (const hold of [...state.holds.values()]) {
    if (hold.expireMs > nowMs) continue;
    resolveHold(set, state, hold, { state: "EXPIRED", resolveMs: nowMs, chargeId: undefined });
  }
}
