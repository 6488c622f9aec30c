import { compareBurnOrder } from "./burn-order.ts";
import type { GrantRow, HoldRow, PoolRow } from "./rows.ts";

/** What decisions about one account look at. */
export interface AccountState {
  readonly pool: PoolRow;
  /** The grants that have something left, in burn order. */
  readonly grants: GrantRow[];
  /** The open holds, by id. */
  readonly holds: Map<string, HoldRow>;
}

/** The pool of an account that nothing happened to yet. */
export function emptyPool(account: string): PoolRow {
  return {
    account,
    grantedNano: 0n,
    heldNano: 0n,
    spentNano: 0n,
    expiredNano: 0n,
    voidedNano: 0n,
    overdraftNano: 0n,
    chargeSequence: 0,
    chargeDigest: "",
    transferSequence: 0,
    recordMs: 0,
    dueMs: undefined,
    creditLevel: "ENOUGH",
  };
}

/** Puts a grant into its place in burn order. */
export function insertInBurnOrder(grants: GrantRow[], grant: GrantRow): void {
  const at = grants.findIndex((other) => compareBurnOrder(grant, other) < 0);
  grants.splice(at === -1 ? grants.length : at, 0, grant);
}

/**
 * When time alone next changes something after `nowMs`: a hold ends, a grant begins or ends. A grant that has ended but is still set aside changes with
 * its hold, not with time.
 */
export function nextDueMs({ grants, holds }: AccountState, nowMs: number): number | undefined {
  let due = Number.POSITIVE_INFINITY;
  for (const hold of holds.values()) due = Math.min(due, hold.expireMs);
  for (const { effectiveMs, expireMs } of grants) {
    if (effectiveMs > nowMs) due = Math.min(due, effectiveMs);
    if (expireMs !== undefined && expireMs > nowMs) due = Math.min(due, expireMs);
  }
  return due === Number.POSITIVE_INFINITY ? undefined : due;
}
