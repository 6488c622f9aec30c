import type { AccountState } from "./account-state.ts";
import { estimateCall } from "./estimate-call.ts";
import { resolveHold } from "./movements.ts";
import type { HoldRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

/**
 * Ends the account's holds whose time is over, those that ended first coming first, and charges what their calls are estimated to have used. Their usage may
 * still be recorded: late, and in place of the estimate.
 */
export function expireHolds(set: WorkingSet, state: AccountState, nowMs: number): void {
  const ended = [...state.holds.values()].filter((hold) => hold.expireMs <= nowMs);
  for (const hold of ended.sort(byEnd)) {
    resolveHold(set, state, hold, { state: "EXPIRED", resolveMs: nowMs, chargeSequence: undefined });
    hold.chargeSequence = estimateCall(set, state, hold, nowMs)?.sequence;
  }
}

function byEnd(a: HoldRow, b: HoldRow): number {
  return a.expireMs - b.expireMs || (a.holdId < b.holdId ? -1 : 1);
}
