import { MAX_NANO } from "../base/credits.ts";
import type { AccountState } from "./account-state.ts";
import { bookCharge, fitsPool } from "./book-charge.ts";
import { catchUp } from "./catch-up.ts";
import { checkOccurTime, invalidRecord } from "./check-record.ts";
import { undoEstimate } from "./estimate-call.ts";
import { findRoute } from "./find-authority.ts";
import { findEarlier } from "./find-earlier.ts";
import { resolveHold } from "./movements.ts";
import { priceCall } from "./price-call.ts";
import { readUsage } from "./read-usage.ts";
import { type RecordAttempt, rejected, tooMuch } from "./record-attempt.ts";
import { recordText } from "./record-text.ts";
import type { Draw, HoldRow } from "./rows.ts";
import type { RecordResult, Used } from "./usage-record.ts";
import type { WorkingSet } from "./working-set.ts";

/**
 * Records a model call. Who pays, and by which prices, was decided when its route was resolved. The first record of a hosted call captures its hold,
 * whether or not the hold has run out since; further tries are charged without one.
 */
export function recordModelCall(
  { set, record, recorder, nowMs }: RecordAttempt,
  call: Extract<Used, { kind: "MODEL_CALL" }>,
): RecordResult {
  const { account } = record;
  const route = findRoute(set, record, call.authority, recorder);
  if ("reason" in route) return rejected(record, route);
  const text = recordText(record);
  const attempt = call.attempt === 0 ? 1 : call.attempt;
  const earlier = findEarlier(set, record, { kind: "MODEL_CALL", call: { callId: call.callId, attempt }, text });
  if (earlier !== undefined) return earlier;

  const violations = [...checkOccurTime(record, nowMs)];
  if (route.payer === "HOSTED" && route.callId !== call.callId)
    violations.push({ field: "model_call.call_id", description: "is not the call that the route was resolved for" });
  const usage = readUsage(route.provider, call.usage);
  if ("field" in usage) violations.push(usage);
  if (violations.length > 0 || "field" in usage) return rejected(record, invalidRecord(violations));

  const state = catchUp(set, account, nowMs);
  const hold = route.holdId === undefined ? undefined : set.hold(account, route.holdId);
  const outcome = call.outcome ?? "SUCCEEDED";
  const priced = priceCall({
    route,
    outcome,
    usage,
    assumedInputTokens: hold?.inputTokens,
    book: route.priceVersion === 0 ? undefined : set.priceBook(route.priceVersion),
  });
  if (!fitsPool(state, priced.amountNano) || (priced.listNano ?? 0n) > MAX_NANO)
    return rejected(record, tooMuch("model_call.usage"));

  const captures = hold !== undefined && hold.state !== "CAPTURED";
  const freedPins = captures ? captureHold(set, state, hold, nowMs) : [];
  const charge = bookCharge(
    set,
    state,
    {
      account,
      kind: "MODEL_CALL",
      usageId: record.usageId,
      agent: record.agent,
      payer: route.payer,
      ...priced,
      provider: route.provider,
      model: route.model,
      upstreamModel: route.upstreamModel,
      routeId: route.routeId,
      holdId: captures ? hold.holdId : "",
      callId: call.callId,
      attempt,
      outcome,
      keyVersion: route.keyVersion,
      providerCostUsdNano: usage.providerCostUsdNano,
      providerRequestId: call.providerRequestId,
      recordText: text,
      occurMs: record.occurMs,
    },
    { freedPins, summedModel: route.canonicalModel === "" ? route.upstreamModel : route.canonicalModel, nowMs },
  );
  return { usageId: record.usageId, outcome: "CREATED", charge };
}

/**
 * Captures the hold for the charge that is booked next. Returns the credits that are the charge's before anybody else's: what the hold had set aside, or, when
 * the call was estimated since, what the estimate had drawn, which is undone here.
 */
function captureHold(set: WorkingSet, state: AccountState, hold: HoldRow, nowMs: number): readonly Draw[] {
  if (hold.state === "OPEN") {
    resolveHold(set, state, hold, {
      state: "CAPTURED",
      resolveMs: nowMs,
      chargeSequence: state.pool.chargeSequence + 1,
    });
    return hold.pins;
  }
  const estimate = undoEstimate(set, state, hold, nowMs);
  hold.state = "CAPTURED";
  hold.chargeSequence = state.pool.chargeSequence + 1;
  set.holdResolved(state, hold);
  return estimate?.allocations ?? [];
}
