import { meterPriceVersion } from "./active-price.ts";
import { bookCharge, fitsPool } from "./book-charge.ts";
import { catchUp } from "./catch-up.ts";
import { checkOccurTime, invalidRecord } from "./check-record.ts";
import { findEarlier } from "./find-earlier.ts";
import { priceUsage, type Quantities } from "./price-usage.ts";
import { type RecordAttempt, rejected, tooMuch } from "./record-attempt.ts";
import { recordText } from "./record-text.ts";
import type { RecordResult, Used } from "./usage-record.ts";

/**
 * Records compute or disk: recorders only, on credits whoever pays for the model, at the price in force when it happened. Without a price it is rejected
 * and can be sent again once there is one: never free, never lost.
 */
export function recordMeter(
  { set, record, recorder, nowMs }: RecordAttempt,
  used: Exclude<Used, { kind: "MODEL_CALL" }>,
): RecordResult {
  if (recorder.role !== "recorder") {
    return rejected(record, {
      reason: "ROLE_NOT_ALLOWED",
      message: "An agent host records model calls only; compute and disk come from a recorder.",
      metadata: { role: recorder.role },
    });
  }
  const text = recordText(record);
  const earlier = findEarlier(set, record, { kind: used.kind, text });
  if (earlier !== undefined) return earlier;
  const badTime = checkOccurTime(record, nowMs);
  if (badTime.length > 0) return rejected(record, invalidRecord(badTime));

  const version = meterPriceVersion(set.priceVersions(), record.occurMs, nowMs);
  const prices = version === undefined ? {} : set.priceBook(version.version).meterPrices();
  const { lines, totalNano, unpriced } = priceUsage(quantitiesOf(used), prices);
  const [missing] = unpriced;
  if (missing !== undefined) {
    return rejected(record, {
      reason: "PRICE_NOT_FOUND",
      message: `${missing} had no price when this was used. Publish its price, then send the record again.`,
      metadata: { component: missing },
    });
  }
  const state = catchUp(set, record.account, nowMs);
  if (!fitsPool(state, totalNano)) return rejected(record, tooMuch(used.kind.toLowerCase()));
  const charge = bookCharge(
    set,
    state,
    {
      account: record.account,
      kind: used.kind,
      usageId: record.usageId,
      agent: record.agent,
      payer: "HOSTED",
      amountNano: totalNano,
      listNano: totalNano,
      estimated: false,
      priceVersion: lines.length > 0 && version !== undefined ? version.version : 0,
      lines,
      provider: undefined,
      model: "",
      upstreamModel: "",
      routeId: "",
      holdId: "",
      callId: "",
      attempt: 0,
      outcome: undefined,
      keyVersion: 0,
      providerCostUsdNano: undefined,
      providerRequestId: "",
      recordText: text,
      occurMs: record.occurMs,
    },
    { freedPins: [], summedModel: "", nowMs },
  );
  return { usageId: record.usageId, outcome: "CREATED", charge };
}

function quantitiesOf(used: Exclude<Used, { kind: "MODEL_CALL" }>): Quantities {
  return used.kind === "COMPUTE"
    ? { VCPU: used.vcpuMilliseconds, MEMORY: used.memoryMibMilliseconds }
    : { DISK: used.byteSeconds };
}
