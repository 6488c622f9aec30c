import { differingFields } from "./record-text.ts";
import type { ChargeRow, UsageKind } from "./rows.ts";
import type { RecordResult, UsageRecord } from "./usage-record.ts";
import type { WorkingSet } from "./working-set.ts";

/** What identifies a record: for ever, in both ways. */
export interface RecordKeys {
  readonly kind: UsageKind;
  /** Model calls: the call and its try. */
  readonly call?: { readonly callId: string; readonly attempt: number };
  /** What the caller said, as `recordText` writes it. */
  readonly text: string;
}

/** The answer to a record that was recorded before, or that collides with one; undefined when it is new. */
export function findEarlier(set: WorkingSet, record: UsageRecord, keys: RecordKeys): RecordResult | undefined {
  const { account, usageId } = record;
  const same = set.chargeByUsage(account, keys.kind, usageId);
  if (same !== undefined) {
    if (same.recordText === keys.text) return { usageId, outcome: "REPLAYED", charge: same };
    return conflict(usageId, same, differingFields(same.recordText, keys.text));
  }
  if (keys.call === undefined) return undefined;
  const { callId, attempt } = keys.call;
  const sameCall = set.chargeByCall(account, callId, attempt);
  return sameCall === undefined ? undefined : conflict(usageId, sameCall, ["usage_id"]);
}

function conflict(usageId: string, recorded: ChargeRow, differing: readonly string[]): RecordResult {
  const what =
    recorded.usageId === usageId
      ? `Usage ${usageId} was recorded before with another payload`
      : `Attempt ${recorded.attempt} of call ${recorded.callId} was recorded before as usage ${recorded.usageId}`;
  const metadata: Record<string, string> = {
    usage_id: recorded.usageId,
    differing_fields: differing.join(","),
    recorded_time: new Date(recorded.recordMs).toISOString(),
  };
  if (recorded.usageId !== usageId) {
    metadata["call_id"] = recorded.callId;
    metadata["attempt"] = String(recorded.attempt);
  }
  return {
    usageId,
    outcome: "REJECTED",
    refusal: {
      reason: "USAGE_ID_CONFLICT",
      message: `${what} (differing: ${differing.join(", ")}); the first one stands. Send the first payload again, or give new usage its own ids.`,
      metadata,
    },
  };
}
