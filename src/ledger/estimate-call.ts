import type { AccountState } from "./account-state.ts";
import { bookCharge, fitsPool } from "./book-charge.ts";
import { priceCall } from "./price-call.ts";
import { readUsage } from "./read-usage.ts";
import { recordText } from "./record-text.ts";
import { bookReversal } from "./reverse-charge.ts";
import type { ChargeRow, HoldRow } from "./rows.ts";
import type { CallUsage, TokenCounts } from "./usage-record.ts";
import type { WorkingSet } from "./working-set.ts";

/**
 * Books an estimate for a call whose hold just ran out without a report: the provider will bill it, so it is not free. It is charged at what its host last said
 * that it had used, or else at the input that its hold assumed, from the credits that the hold had set aside. A report that comes later corrects it.
 * Returns undefined when the call was reported over another of its holds.
 */
export function estimateCall(
  set: WorkingSet,
  state: AccountState,
  hold: HoldRow,
  nowMs: number,
): ChargeRow | undefined {
  const { account, callId, agent } = hold;
  const route = set.route(account, hold.routeId);
  if (route === undefined || set.chargeByCall(account, callId, 1) !== undefined) return undefined;
  const usage = readUsage(route.provider, readUsageText(hold.usedSoFar));
  if ("field" in usage) return undefined;
  const book = set.priceBook(hold.priceVersion);
  const priced = priceCall({ route, outcome: "SUCCEEDED", usage, assumedInputTokens: hold.inputTokens, book });
  if (!fitsPool(state, priced.amountNano)) return undefined;
  return bookCharge(
    set,
    state,
    {
      account,
      kind: "MODEL_CALL",
      usageId: "",
      agent,
      payer: "HOSTED",
      ...priced,
      estimated: true,
      provider: route.provider,
      model: route.model,
      upstreamModel: route.upstreamModel,
      routeId: route.routeId,
      holdId: hold.holdId,
      callId,
      attempt: 0,
      outcome: undefined,
      keyVersion: route.keyVersion,
      providerCostUsdNano: undefined,
      providerRequestId: "",
      recordText: recordText({ usageId: "", account, agent, occurMs: hold.createMs, labels: {}, used: undefined }),
      occurMs: hold.createMs,
    },
    {
      freedPins: hold.pins,
      summedModel: route.canonicalModel === "" ? route.upstreamModel : route.canonicalModel,
      nowMs,
    },
  );
}

/** Undoes the estimate of a hold that had run out, unless that was done before. Returns the estimate. What must follow (`settleAccount`) is the caller's to do. */
export function undoEstimate(
  set: WorkingSet,
  state: AccountState,
  hold: HoldRow,
  nowMs: number,
): ChargeRow | undefined {
  if (hold.chargeSequence === undefined) return undefined;
  const estimate = set.chargeBySequence(hold.account, hold.chargeSequence);
  if (estimate === undefined || set.reversalOf(hold.account, estimate.sequence) !== undefined) return undefined;
  bookReversal(set, state, estimate, nowMs);
  return estimate;
}

/** Token counts as a hold keeps them. */
export function usageText(tokens: TokenCounts): string {
  return [tokens.inputUncached, tokens.cacheRead, tokens.cacheWrite, tokens.output, tokens.reasoning].join(",");
}

function readUsageText(text: string): CallUsage {
  if (text === "") return { kind: "none" };
  const [inputUncached = 0n, cacheRead = 0n, cacheWrite = 0n, output = 0n, reasoning = 0n] = text
    .split(",")
    .map(BigInt);
  return { kind: "tokens", tokens: { inputUncached, cacheRead, cacheWrite, output, reasoning } };
}
