import { LIMITS } from "../base/limits.ts";
import { availableNano } from "./allocate.ts";
import { catchUp } from "./catch-up.ts";
import type { GrantRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

/** An account's pool of credits at one moment, in nano-credits. */
export interface Balance {
  readonly account: string;
  /** What can be spent: effective grants less spending and holds, never below zero. */
  readonly availableNano: bigint;
  readonly heldNano: bigint;
  readonly spentNano: bigint;
  readonly overdraftNano: bigint;
  readonly grantedNano: bigint;
  readonly expiredNano: bigint;
  readonly voidedNano: bigint;
  /** Those that have something left, in burn order; at most `LIMITS.balanceGrantsMax`. */
  readonly grants: readonly GrantRow[];
}

/** The account's balance at `nowMs`, by time and not by when anybody last swept. An unknown account's is all zero. */
export function balance(set: WorkingSet, account: string, nowMs: number): Balance {
  const state = catchUp(set, account, nowMs);
  const { heldNano, spentNano, overdraftNano, grantedNano, expiredNano, voidedNano } = state.pool;
  return {
    account,
    availableNano: availableNano(state.grants, nowMs),
    heldNano,
    spentNano,
    overdraftNano,
    grantedNano,
    expiredNano,
    voidedNano,
    grants: state.grants.slice(0, LIMITS.balanceGrantsMax).map((grant) => ({ ...grant })),
  };
}
