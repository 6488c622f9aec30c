import { checkOccurTime, checkRecord, invalidRecord } from "./check-record.ts";
import { rejected } from "./record-attempt.ts";
import { recordMeter } from "./record-meter.ts";
import { recordModelCall } from "./record-model-call.ts";
import type { Recorder, RecordResult, UsageRecord } from "./usage-record.ts";
import type { WorkingSet } from "./working-set.ts";

/**
 * Decides and books one record; it is judged alone. The same usage id with the same payload gives the first charge again, with another payload a conflict,
 * for ever. A record that is rejected changes nothing and does not use up its ids.
 * Rejections: FIELDS_INVALID, ROLE_NOT_ALLOWED, ROUTE_NOT_FOUND, HOLD_NOT_FOUND, USAGE_ID_CONFLICT, PRICE_NOT_FOUND.
 */
export function recordUsage(set: WorkingSet, record: UsageRecord, recorder: Recorder, nowMs: number): RecordResult {
  const violations = checkRecord(record);
  const { used, occurMs } = record;
  if (violations.length > 0 || used === undefined || occurMs === undefined)
    return rejected(record, invalidRecord([...violations, ...checkOccurTime(record, nowMs)]));
  const attempt = { set, record: { ...record, occurMs }, recorder, nowMs };
  return used.kind === "MODEL_CALL" ? recordModelCall(attempt, used) : recordMeter(attempt, used);
}
