import type { CreditEvent } from "./account-event.ts";
import type { AccountState } from "./account-state.ts";
import { availableNano } from "./allocate.ts";
import { isLive } from "./burn-order.ts";
import { judgeCredits, levelEventKind } from "./credit-level.ts";

/**
 * Notes the account's new level, if it changed, and returns what its watchers are to be told. It stands on the path of every hold and every record: an account
 * whose level is as it was costs a look at its first grants.
 */
export function judgeAccount(state: AccountState, nowMs: number, lowNano: bigint): CreditEvent | undefined {
  const { pool, grants } = state;
  // Who never had anything did not run out of it.
  if (pool.grantedNano === 0n && pool.overdraftNano === 0n) return undefined;
  const before = pool.creditLevel;
  const mayStay = before === "ENOUGH" && pool.overdraftNano === 0n;
  let leftNano = 0n;
  for (const grant of grants) {
    if (!isLive(grant, nowMs)) continue;
    leftNano += grant.remainingNano;
    // Most accounts have enough in their first grant, and are done.
    if (mayStay && leftNano > 0n && leftNano >= lowNano) return undefined;
  }
  const after = judgeCredits(before, { leftNano, overdraftNano: pool.overdraftNano }, lowNano);
  if (after === before) return undefined;
  pool.creditLevel = after;
  return {
    kind: levelEventKind(before, after),
    account: pool.account,
    availableNano: availableNano(grants, nowMs),
    heldNano: pool.heldNano,
    overdraftNano: pool.overdraftNano,
  };
}
