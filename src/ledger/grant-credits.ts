import { MAX_NANO } from "../base/credits.ts";
import { FieldChecker } from "../base/fields.ts";
import { insertInBurnOrder } from "./account-state.ts";
import { catchUp } from "./catch-up.ts";
import { bookTransfer, noteDue, settleAccount } from "./movements.ts";
import type { GrantCategory, GrantRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

const PRIORITY_MAX = 1_000;
/** Grants of one account that may have something left at once: every decision about the account looks at them. */
const GRANTS_MAX = 1_000;

/** Credits to give. Nothing is checked yet but the ids. */
export interface NewGrant {
  readonly account: string;
  /** The id that it takes. */
  readonly grantId: string;
  readonly amountNano: bigint;
  readonly priority: number;
  readonly category: GrantCategory;
  /** Undefined: now. */
  readonly effectiveMs: number | undefined;
  /** Undefined: never. */
  readonly expireMs: number | undefined;
}

/**
 * Gives an account credits. If they are effective now, they first make its overdraft good. Returns the grant as it then stands.
 * Throws FIELDS_INVALID, with nothing changed.
 */
export function grantCredits(set: WorkingSet, order: NewGrant, nowMs: number): GrantRow {
  const state = catchUp(set, order.account, nowMs);
  const { pool } = state;
  const effectiveMs = order.effectiveMs ?? nowMs;
  const { expireMs } = order;
  const checker = new FieldChecker();
  checker.check(order.amountNano > 0n, "amount", "must be more than zero");
  checkPriority(checker, order.priority);
  checkGrantTimes(checker, order, nowMs);
  checker.check(pool.grantedNano + order.amountNano <= MAX_NANO, "amount", "is more than the account can be given");
  checker.check(state.grants.length < GRANTS_MAX, "account", `has ${GRANTS_MAX} unspent grants, the most it may have`);
  checker.done();

  const grant: GrantRow = {
    account: order.account,
    grantId: order.grantId,
    amountNano: order.amountNano,
    remainingNano: order.amountNano,
    pinnedNano: 0n,
    priority: order.priority,
    category: order.category,
    effectiveMs,
    expireMs,
    createMs: nowMs,
    voidMs: undefined,
  };
  set.addGrant(grant);
  insertInBurnOrder(state.grants, grant);
  pool.grantedNano += grant.amountNano;
  bookTransfer(set, state, {
    debit: "ISSUED",
    credit: `GRANT:${grant.grantId}`,
    amountNano: grant.amountNano,
    code: "GRANT",
    causeId: grant.grantId,
    bookMs: nowMs,
  });
  noteDue(set, state, effectiveMs > nowMs ? effectiveMs : expireMs);
  settleAccount(set, state, nowMs);
  return grant;
}

/** Notes a priority out of range. */
export function checkPriority(checker: FieldChecker, priority: number): void {
  checker.check(
    Number.isInteger(priority) && priority >= 0 && priority <= PRIORITY_MAX,
    "priority",
    `must be 0-${PRIORITY_MAX}`,
  );
}

/** Notes what is wrong with a grant's times, as seen at `nowMs`. */
export function checkGrantTimes(
  checker: FieldChecker,
  { effectiveMs, expireMs }: Pick<NewGrant, "effectiveMs" | "expireMs">,
  nowMs: number,
): void {
  checker.check(
    expireMs === undefined || expireMs > Math.max(nowMs, effectiveMs ?? nowMs),
    "expire_time",
    "must be in the future, and after effective_time",
  );
}
