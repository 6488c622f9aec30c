import { type AccountState, insertInBurnOrder, nextDueMs } from "./account-state.ts";
import { isLive } from "./burn-order.ts";
import type { Draw, GrantRow, HoldRow, TransferRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

/** Books a transfer within the account. An amount of zero moves nothing and leaves no row. */
export function bookTransfer(
  set: WorkingSet,
  state: AccountState,
  transfer: Pick<TransferRow, "debit" | "credit" | "amountNano" | "code" | "causeId" | "bookMs">,
): void {
  if (transfer.amountNano === 0n) return;
  state.pool.transferSequence += 1;
  set.poolChanged(state);
  set.addTransfer({ account: state.pool.account, sequence: state.pool.transferSequence, ...transfer });
}

/** Takes credits out of a grant. */
export function drawGrant(set: WorkingSet, grant: GrantRow, amountNano: bigint): void {
  grant.remainingNano -= amountNano;
  set.grantChanged(grant);
}

/** Sets credits aside. */
export function pinGrants(set: WorkingSet, state: AccountState, pins: readonly Draw[]): void {
  for (const pin of pins) movePin(set, state, pin.grantId, pin.amountNano);
}

/** Ends an open hold: its credits are no longer set aside. What becomes of them is for the caller to say. */
export function resolveHold(
  set: WorkingSet,
  state: AccountState,
  hold: HoldRow,
  end: Pick<HoldRow, "chargeSequence"> & {
    readonly state: "CAPTURED" | "RELEASED" | "EXPIRED";
    readonly resolveMs: number;
  },
): void {
  for (const pin of hold.pins) movePin(set, state, pin.grantId, -pin.amountNano);
  state.pool.heldNano -= hold.amountNano;
  hold.state = end.state;
  hold.resolveMs = end.resolveMs;
  hold.chargeSequence = end.chargeSequence;
  set.holdResolved(state, hold);
  set.poolChanged(state);
}

function movePin(set: WorkingSet, state: AccountState, grantId: string, amountNano: bigint): void {
  const grant = state.grants.find((candidate) => candidate.grantId === grantId);
  if (grant === undefined) throw new Error(`invariant broken: grant ${grantId} was drained while it was set aside`);
  grant.pinnedNano += amountNano;
  set.grantChanged(grant);
}

/** Books what is left of ended grants, except what open holds have set aside, as expired, or as taken back. */
export function lapseGrants(set: WorkingSet, state: AccountState, nowMs: number): void {
  for (const grant of state.grants) {
    const voided = grant.voidMs !== undefined;
    if (!voided && (grant.expireMs === undefined || grant.expireMs > nowMs)) continue;
    const lapsed = grant.remainingNano - grant.pinnedNano;
    if (lapsed === 0n) continue;
    drawGrant(set, grant, lapsed);
    if (voided) state.pool.voidedNano += lapsed;
    else state.pool.expiredNano += lapsed;
    bookTransfer(set, state, {
      debit: `GRANT:${grant.grantId}`,
      credit: voided ? "VOID" : "EXPIRED",
      amountNano: lapsed,
      code: voided ? "VOID" : "EXPIRY",
      causeId: grant.grantId,
      bookMs: nowMs,
    });
  }
}

/** Gives credits back to a grant; what has become of it since decides what becomes of them. */
export function returnToGrant(set: WorkingSet, state: AccountState, grantId: string, amountNano: bigint): void {
  let grant = state.grants.find((candidate) => candidate.grantId === grantId);
  if (grant === undefined) {
    grant = set.grant(state.pool.account, grantId);
    if (grant === undefined)
      throw new Error(`invariant broken: credits came from grant ${grantId}, which is not there`);
    insertInBurnOrder(state.grants, grant);
  }
  grant.remainingNano += amountNano;
  set.grantChanged(grant);
  noteDue(set, state, grant.expireMs);
}

/** Makes overdraft good from whatever is available: while there is overdraft, nothing is available. */
export function repayOverdraft(set: WorkingSet, state: AccountState, nowMs: number): void {
  for (const grant of state.grants) {
    if (state.pool.overdraftNano <= 0n) return;
    if (!isLive(grant, nowMs)) continue;
    const free = grant.remainingNano - grant.pinnedNano;
    const repaid = free < state.pool.overdraftNano ? free : state.pool.overdraftNano;
    if (repaid === 0n) continue;
    drawGrant(set, grant, repaid);
    state.pool.overdraftNano -= repaid;
    bookTransfer(set, state, {
      debit: `GRANT:${grant.grantId}`,
      credit: "OVERDRAFT",
      amountNano: repaid,
      code: "REPAYMENT",
      causeId: grant.grantId,
      bookMs: nowMs,
    });
  }
}

/** Drops grants that have nothing left: nothing will be decided by them any more. */
export function dropDrained(state: AccountState): void {
  if (!state.grants.some(isDrained)) return;
  const left = state.grants.filter((grant) => !isDrained(grant));
  state.grants.splice(0, state.grants.length, ...left);
}

/** What must follow whenever credits were freed or moved: ended grants lapse, overdraft is made good, drained grants go. */
export function settleAccount(set: WorkingSet, state: AccountState, nowMs: number): void {
  lapseGrants(set, state, nowMs);
  repayOverdraft(set, state, nowMs);
  dropDrained(state);
}

/** Notes that time changes something at `atMs`, if that is sooner than what was known. */
export function noteDue(set: WorkingSet, state: AccountState, atMs: number | undefined): void {
  if (atMs === undefined || (state.pool.dueMs !== undefined && state.pool.dueMs <= atMs)) return;
  state.pool.dueMs = atMs;
  set.poolChanged(state);
}

/** Works out anew when time next changes something. */
export function renewDue(set: WorkingSet, state: AccountState, nowMs: number): void {
  state.pool.dueMs = nextDueMs(state, nowMs);
  set.poolChanged(state);
}

function isDrained(grant: GrantRow): boolean {
  return grant.remainingNano === 0n;
}
