import { refuse } from "../base/errors.ts";
import { catchUp } from "./catch-up.ts";
import { settleAccount } from "./movements.ts";
import { grantName } from "./ports.ts";
import type { GrantRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

/**
 * Takes back what is left of a grant. What open holds have set aside stays theirs until they end; what was spent stays spent. Voiding again changes nothing.
 * Returns the grant as it then stands. Throws GRANT_NOT_FOUND, with nothing changed.
 */
export function voidGrant(
  set: WorkingSet,
  order: { readonly account: string; readonly grantId: string },
  nowMs: number,
): GrantRow {
  const { account, grantId } = order;
  const state = catchUp(set, account, nowMs);
  const grant = state.grants.find((candidate) => candidate.grantId === grantId) ?? set.grant(account, grantId);
  if (grant === undefined)
    throw refuse("GRANT_NOT_FOUND", `There is no grant ${grantName(order)}.`, { grant: grantName(order) });
  if (grant.voidMs !== undefined) return grant;
  grant.voidMs = nowMs;
  set.grantChanged(grant);
  settleAccount(set, state, nowMs);
  return grant;
}
