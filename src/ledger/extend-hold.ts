import { refuse } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import { catchUp } from "./catch-up.ts";
import { usageText } from "./estimate-call.ts";
import { callSettled, findHold, type HoldRef } from "./find-hold.ts";
import type { HoldRow } from "./rows.ts";
import type { TokenCounts } from "./usage-record.ts";
import type { WorkingSet } from "./working-set.ts";

/**
 * Keeps an open hold for another `LIMITS.holdMs` from `nowMs`, but at most `LIMITS.holdLifeMaxMs` from its beginning. `usedSoFar` is what the call will be
 * charged for if no report ever comes; undefined leaves what was said before. Returns the hold as it then stands: its end tells whether it moved.
 * Throws, with nothing changed: HOLD_NOT_FOUND, CALL_SETTLED, HOLD_NOT_OPEN.
 */
export function extendHold(set: WorkingSet, ref: HoldRef, usedSoFar: TokenCounts | undefined, nowMs: number): HoldRow {
  catchUp(set, ref.account, nowMs);
  const hold = findHold(set, ref);
  if (hold.state === "CAPTURED") throw callSettled(hold);
  if (hold.state !== "OPEN") {
    throw refuse(
      "HOLD_NOT_OPEN",
      `The hold is ${hold.state}: its credits are no longer set aside. Record what the call used when it ends.`,
      { state: hold.state },
    );
  }
  const untilMs = Math.min(nowMs + LIMITS.holdMs, hold.createMs + LIMITS.holdLifeMaxMs);
  hold.expireMs = Math.max(hold.expireMs, untilMs);
  if (usedSoFar !== undefined) hold.usedSoFar = usageText(usedSoFar);
  set.holdExtended(hold);
  return hold;
}
