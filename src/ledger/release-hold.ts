import { catchUp } from "./catch-up.ts";
import { undoEstimate } from "./estimate-call.ts";
import { callSettled, findHold, type HoldRef } from "./find-hold.ts";
import { resolveHold, settleAccount } from "./movements.ts";
import type { HoldRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

/**
 * Gives back what a hold set aside, for a call that never happened. Of one that ran out, the estimate is undone. Releasing again changes nothing, and usage
 * that is recorded all the same is charged. Returns the hold as it then stands.
 * Throws, with nothing changed: HOLD_NOT_FOUND, CALL_SETTLED.
 */
export function releaseHold(set: WorkingSet, ref: HoldRef, nowMs: number): HoldRow {
  const state = catchUp(set, ref.account, nowMs);
  const hold = findHold(set, ref);
  switch (hold.state) {
    case "CAPTURED":
      throw callSettled(hold);
    case "RELEASED":
      return hold;
    case "OPEN":
      resolveHold(set, state, hold, { state: "RELEASED", resolveMs: nowMs, chargeSequence: undefined });
      break;
    case "EXPIRED":
      undoEstimate(set, state, hold, nowMs);
      hold.state = "RELEASED";
      hold.chargeSequence = undefined;
      set.holdResolved(state, hold);
      break;
    default:
      hold.state satisfies never;
  }
  settleAccount(set, state, nowMs);
  return hold;
}
