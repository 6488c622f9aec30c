import type { GrantRow } from "./rows.ts";

/**
 * Which grant is burnt first: lower priority, then the earlier expiry (never last), then promotional before paid, then the earlier beginning, then the id,
 * so that the order is total and every writer agrees on it.
 */
export function compareBurnOrder(a: GrantRow, b: GrantRow): number {
  return (
    a.priority - b.priority ||
    compareNumbers(a.expireMs ?? Number.POSITIVE_INFINITY, b.expireMs ?? Number.POSITIVE_INFINITY) ||
    categoryRank(a) - categoryRank(b) ||
    a.effectiveMs - b.effectiveMs ||
    (a.grantId < b.grantId ? -1 : a.grantId > b.grantId ? 1 : 0)
  );
}

/** Whether credits may be drawn from the grant at `nowMs`. Time decides, not whether anybody has swept it up yet. */
export function isLive(grant: GrantRow, nowMs: number): boolean {
  return (
    grant.effectiveMs <= nowMs && (grant.expireMs === undefined || grant.expireMs > nowMs) && grant.voidMs === undefined
  );
}

// Infinity minus infinity is not a number.
function compareNumbers(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function categoryRank(grant: GrantRow): number {
  return grant.category === "PROMOTIONAL" ? 0 : 1;
}
