import { refuse } from "../base/errors.ts";
import type { AccountState } from "./account-state.ts";
import { catchUp } from "./catch-up.ts";
import { bookTransfer, returnToGrant, settleAccount } from "./movements.ts";
import { chargeName } from "./ports.ts";
import type { ChargeLine, ChargeRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

/**
 * Undoes a charge by a new one with every amount negated: its credits go back to the grants that paid, the last one first. What a grant that has ended gets
 * back ends with it. The usage stays recorded: its id is not free again.
 * Throws, with nothing changed: CHARGE_NOT_FOUND, CHARGE_REVERSED (it was undone before, or is itself what undoes another).
 */
export function reverseCharge(
  set: WorkingSet,
  order: { readonly account: string; readonly sequence: number },
  nowMs: number,
): ChargeRow {
  const { account, sequence } = order;
  const charge = set.chargeBySequence(account, sequence);
  if (charge === undefined) throw chargeNotFound(order);
  const reversal = charge.reverses > 0 ? charge : set.reversalOf(account, sequence);
  if (reversal !== undefined) {
    throw refuse(
      "CHARGE_REVERSED",
      charge.reverses > 0
        ? `${chargeName(charge)} itself undoes a charge. Record the usage again instead.`
        : `${chargeName(charge)} was undone before, by ${chargeName(reversal)}.`,
      { charge: chargeName(charge), reversal: chargeName(reversal) },
    );
  }
  const state = catchUp(set, account, nowMs);
  const booked = bookReversal(set, state, charge, nowMs);
  settleAccount(set, state, nowMs);
  return booked;
}

/** The refusal of a charge that is not there. */
export function chargeNotFound(charge: Pick<ChargeRow, "account" | "sequence">) {
  return refuse("CHARGE_NOT_FOUND", `There is no charge ${chargeName(charge)}.`, { charge: chargeName(charge) });
}

/** Books the reversal of a charge that was not reversed before. What must follow (`settleAccount`) is the caller's to do. */
export function bookReversal(set: WorkingSet, state: AccountState, charge: ChargeRow, nowMs: number): ChargeRow {
  const { pool } = state;
  pool.recordMs = Math.max(pool.recordMs, nowMs);
  pool.chargeSequence += 1;
  pool.spentNano -= charge.amountNano;
  pool.overdraftNano -= charge.overdraftNano;
  const moved = {
    code: "REVERSAL",
    causeId: String(pool.chargeSequence),
    debit: `USAGE:${charge.kind}`,
    bookMs: pool.recordMs,
  } as const;
  bookTransfer(set, state, { ...moved, credit: "OVERDRAFT", amountNano: charge.overdraftNano });
  const returned = charge.allocations.toReversed();
  for (const { grantId, amountNano } of returned) {
    bookTransfer(set, state, { ...moved, credit: `GRANT:${grantId}`, amountNano });
    returnToGrant(set, state, grantId, amountNano);
  }
  const reversal: ChargeRow = {
    ...charge,
    sequence: pool.chargeSequence,
    usageId: "",
    amountNano: -charge.amountNano,
    listNano: charge.listNano === undefined ? undefined : -charge.listNano,
    overdraftNano: -charge.overdraftNano,
    lines: charge.lines.map(negated),
    allocations: returned.map(({ grantId, amountNano }) => ({ grantId, amountNano: -amountNano })),
    holdId: "",
    attempt: 0,
    providerCostUsdNano: charge.providerCostUsdNano === undefined ? undefined : -charge.providerCostUsdNano,
    recordMs: pool.recordMs,
    reverses: charge.sequence,
  };
  set.addCharge(reversal);
  set.addRollup(reversal, summedModelOf(set, charge));
  set.poolChanged(state);
  returnRepayments(set, state);
  return reversal;
}

/** What a charge's usage is summed up by. */
export function summedModelOf(
  set: WorkingSet,
  charge: Pick<ChargeRow, "account" | "routeId" | "upstreamModel">,
): string {
  if (charge.routeId === "") return "";
  const route = set.route(charge.account, charge.routeId);
  return route === undefined || route.canonicalModel === "" ? charge.upstreamModel : route.canonicalModel;
}

/** Overdraft that grants made good in the meantime is given back to them, the newest repayment first. */
function returnRepayments(set: WorkingSet, state: AccountState): void {
  const { pool } = state;
  if (pool.overdraftNano >= 0n) return;
  const open: { debit: string; amountNano: bigint }[] = [];
  for (const { debit, amountNano, code } of set.repayments(pool.account)) {
    if (code === "REPAYMENT") open.push({ debit, amountNano });
    else takeFromNewest(open, amountNano);
  }
  for (const { debit, amountNano } of takeFromNewest(open, -pool.overdraftNano)) {
    const grantId = debit.slice("GRANT:".length);
    pool.overdraftNano += amountNano;
    bookTransfer(set, state, {
      debit: "OVERDRAFT",
      credit: debit,
      amountNano,
      code: "REPAYMENT_RETURN",
      causeId: grantId,
      bookMs: pool.recordMs,
    });
    returnToGrant(set, state, grantId, amountNano);
  }
}

/** Takes an amount off the end of a list of repayments. Returns the parts that were taken. */
function takeFromNewest(open: { debit: string; amountNano: bigint }[], amountNano: bigint) {
  const taken: { debit: string; amountNano: bigint }[] = [];
  let missing = amountNano;
  while (missing > 0n) {
    const newest = open.at(-1);
    if (newest === undefined) throw new Error("invariant broken: more overdraft was returned than was made good");
    const part = newest.amountNano < missing ? newest.amountNano : missing;
    taken.push({ debit: newest.debit, amountNano: part });
    newest.amountNano -= part;
    missing -= part;
    if (newest.amountNano === 0n) open.pop();
  }
  return taken;
}

function negated(line: ChargeLine): ChargeLine {
  return {
    ...line,
    quantity: -line.quantity,
    amountNano: -line.amountNano,
    listNano: line.listNano === undefined ? undefined : -line.listNano,
  };
}
