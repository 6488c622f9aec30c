import { isLive } from "./burn-order.ts";
import type { Draw, GrantRow } from "./rows.ts";

/** How an amount is met. */
export interface Allocation {
  /** In burn order, none of them zero. */
  readonly draws: readonly Draw[];
  /** What no grant covers. */
  readonly uncoveredNano: bigint;
}

/** What can be drawn at `nowMs`: what live grants hold and no open hold has set aside. */
export function availableNano(grants: readonly GrantRow[], nowMs: number): bigint {
  let sum = 0n;
  for (const grant of grants) if (isLive(grant, nowMs)) sum += grant.remainingNano - grant.pinnedNano;
  return sum;
}

/**
 * Meets an amount from grants that stand in burn order. `freedPins` is what the hold that is being captured had set aside until now: that much of a grant
 * may be drawn even when the grant has ended since.
 */
export function allocate(
  grants: readonly GrantRow[],
  amountNano: bigint,
  nowMs: number,
  freedPins: readonly Draw[] = [],
): Allocation {
  const draws: Draw[] = [];
  let uncoveredNano = amountNano;
  for (const grant of grants) {
    if (uncoveredNano === 0n) break;
    const freeNano = grant.remainingNano - grant.pinnedNano;
    const capacity = isLive(grant, nowMs) ? freeNano : least(freeNano, freedFrom(freedPins, grant.grantId));
    if (capacity === 0n) continue;
    const drawn = least(capacity, uncoveredNano);
    draws.push({ grantId: grant.grantId, amountNano: drawn });
    uncoveredNano -= drawn;
  }
  return { draws, uncoveredNano };
}

function freedFrom(freedPins: readonly Draw[], grantId: string): bigint {
  return freedPins.find((pin) => pin.grantId === grantId)?.amountNano ?? 0n;
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
