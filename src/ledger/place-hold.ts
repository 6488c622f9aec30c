import { formatCredits, MAX_NANO } from "../base/credits.ts";
import { refuse } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import type { AccountState } from "./account-state.ts";
import { activePriceVersion } from "./active-price.ts";
import { allocate, availableNano } from "./allocate.ts";
import { catchUp } from "./catch-up.ts";
import { undoEstimate } from "./estimate-call.ts";
import { noteDue, pinGrants, settleAccount } from "./movements.ts";
import type { PricedModel } from "./price-book.ts";
import type { HoldRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";
import { type WorstCase, worstCase } from "./worst-case.ts";

/** A hosted call that asks for credits to be set aside. */
export interface HoldOrder extends PricedModel {
  readonly account: string;
  readonly agent: string;
  readonly host: string;
  readonly callId: string;
  /** The route that is being released. */
  readonly routeId: string;
  /** The model as the agent named it. */
  readonly model: string;
  /** The id that a new hold takes. */
  readonly holdId: string;
  readonly inputTokens: bigint;
  readonly maxOutputTokens: bigint;
  /** Below so many output tokens the call is not worth making. */
  readonly minOutputTokens: bigint;
  /** The most that may be set aside, in nano-credits. Absent: as much as the call may cost. */
  readonly capNano?: bigint;
}

/**
 * Sets aside what the call costs at worst, at the price in force at `nowMs`; credits or a cap that cover less give fewer output tokens. The same call from the same
 * host with the same request gets its open hold again; a call whose hold ran out gets a new one.
 * Throws, with nothing changed: AGENT_NOT_PLACED (the call id is another host's), CALL_SETTLED, REQUEST_ID_CONFLICT, PRICE_NOT_FOUND, TOO_MANY_HOLDS,
 * SPEND_CAP_TOO_LOW, CREDITS_EXHAUSTED.
 */
export function placeHold(set: WorkingSet, order: HoldOrder, nowMs: number): HoldRow {
  const state = catchUp(set, order.account, nowMs);
  const earlier = set.holdByCall(order.account, order.callId);
  if (earlier !== undefined) {
    checkSameCall(earlier, order);
    if (earlier.state === "OPEN") return earlier;
  }
  const version = activePriceVersion(set.priceVersions(), nowMs);
  const worst =
    version === undefined ? undefined : worstCase(set.priceBook(version.version).modelPrices(order), order.inputTokens);
  if (version === undefined || worst === undefined) {
    throw refuse(
      "PRICE_NOT_FOUND",
      `The input and output of ${order.upstreamModel} at ${order.provider} are not priced: plori does not serve it on credits. Publish its prices, or connect a key.`,
      { provider: order.provider, model: order.upstreamModel },
    );
  }
  checkRoom(set, state, order.host, nowMs);
  const maxOutputTokens = coveredOutput(state, worst, order, nowMs);
  const amountNano = worst.totalNano(maxOutputTokens);
  if (earlier?.state === "EXPIRED") supersede(set, state, earlier, nowMs);
  const hold: HoldRow = {
    account: order.account,
    holdId: order.holdId,
    host: order.host,
    agent: order.agent,
    callId: order.callId,
    routeId: order.routeId,
    model: order.model,
    priceVersion: version.version,
    inputTokens: order.inputTokens,
    requestedOutputTokens: order.maxOutputTokens,
    maxOutputTokens,
    amountNano,
    pins: allocate(state.grants, amountNano, nowMs).draws,
    createMs: nowMs,
    expireMs: nowMs + LIMITS.holdMs,
    state: "OPEN",
    resolveMs: undefined,
    chargeSequence: undefined,
    usedSoFar: "",
  };
  pinGrants(set, state, hold.pins);
  state.pool.heldNano += amountNano;
  set.poolChanged(state);
  set.addHold(state, hold);
  noteDue(set, state, hold.expireMs);
  return hold;
}

/** The call goes on under a new hold: what was estimated for it when its first one ran out is undone. */
function supersede(set: WorkingSet, state: AccountState, earlier: HoldRow, nowMs: number): void {
  undoEstimate(set, state, earlier, nowMs);
  settleAccount(set, state, nowMs);
  earlier.state = "RELEASED";
  earlier.chargeSequence = undefined;
  set.holdResolved(state, earlier);
}

function checkSameCall(earlier: HoldRow, order: HoldOrder): void {
  if (earlier.host !== order.host) {
    throw refuse(
      "AGENT_NOT_PLACED",
      `Agent ${order.agent} of account ${order.account} is not placed on this host. Use the host that the scheduler placed it on.`,
    );
  }
  const differing = [
    earlier.agent !== order.agent && "agent",
    earlier.model !== order.model && "model",
    earlier.inputTokens !== order.inputTokens && "estimate.input_tokens",
    earlier.requestedOutputTokens !== order.maxOutputTokens && "estimate.max_output_tokens",
  ].filter((name) => name !== false);
  if (differing.length > 0) {
    throw refuse(
      "REQUEST_ID_CONFLICT",
      `Call ${order.callId} was resolved before with another request (differing: ${differing.join(", ")}). Use a new call_id for a new call.`,
      { call_id: order.callId, differing_fields: differing.join(",") },
    );
  }
  if (earlier.state === "CAPTURED") {
    throw refuse("CALL_SETTLED", `Call ${order.callId} was already charged. Use a new call_id for a new call.`, {
      call_id: order.callId,
    });
  }
}

function checkRoom(set: WorkingSet, state: AccountState, host: string, nowMs: number): void {
  if (state.holds.size >= LIMITS.openHoldsPerAccountMax) {
    throw refuse(
      "TOO_MANY_HOLDS",
      `The account has ${state.holds.size} hosted calls open, the most it may have. Record the usage of those that ended, then call again.`,
      { open_holds: String(state.holds.size), scope: "account" },
    );
  }
  const ofHost = set.openHoldsOfHost(host, nowMs);
  if (ofHost >= LIMITS.openHoldsPerHostMax) {
    throw refuse(
      "TOO_MANY_HOLDS",
      `This host has ${ofHost} hosted calls open, the most it may have. Record the usage of those that ended, then call again.`,
      { open_holds: String(ofHost), scope: "host" },
    );
  }
}

function coveredOutput(state: AccountState, worst: WorstCase, order: HoldOrder, nowMs: number): bigint {
  const available = availableNano(state.grants, nowMs);
  const least = order.minOutputTokens < order.maxOutputTokens ? order.minOutputTokens : order.maxOutputTokens;
  const capped = cappedOutput(worst, order, least);
  // A call that costs nothing at all is served even when nothing is left.
  const covered = worst.outputTokensFor(available);
  if (covered === undefined || covered >= capped) return capped;
  if (covered >= least) return covered;
  const required = worst.totalNano(least);
  const metadata: Record<string, string> = {
    available: formatCredits(available),
    required: formatCredits(required > MAX_NANO ? MAX_NANO : required),
  };
  if (state.holds.size > 0) {
    const earliestMs = Math.min(...[...state.holds.values()].map((hold) => hold.expireMs));
    metadata["earliest_hold_expiry"] = new Date(earliestMs).toISOString();
  }
  throw refuse(
    "CREDITS_EXHAUSTED",
    `The account has ${metadata["available"]} credits available and the call needs at least ${metadata["required"]}. Add credits, or connect a key.`,
    metadata,
  );
}

/** The most output tokens that the call's cap covers. It comes before the credits: no amount of them would help. */
function cappedOutput(worst: WorstCase, { capNano, maxOutputTokens }: HoldOrder, least: bigint): bigint {
  if (capNano === undefined) return maxOutputTokens;
  const covered = worst.outputTokensFor(capNano);
  if (covered === undefined || covered >= maxOutputTokens) return maxOutputTokens;
  if (covered >= least) return covered;
  const required = worst.totalNano(least);
  const cap = formatCredits(capNano);
  const needed = formatCredits(required > MAX_NANO ? MAX_NANO : required);
  throw refuse(
    "SPEND_CAP_TOO_LOW",
    `The account's routing policy allows ${cap} credits for one hosted call and this one needs at least ${needed}. Raise max_hosted_call_amount, or connect a key.`,
    { cap, required: needed },
  );
}
