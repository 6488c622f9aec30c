import type { Refusal } from "../base/errors.ts";
import { invalidRecord } from "./check-record.ts";
import type { Recorder, RecordResult, UsageRecord } from "./usage-record.ts";
import type { WorkingSet } from "./working-set.ts";

/** A checked record on its way into the ledger. */
export interface RecordAttempt {
  readonly set: WorkingSet;
  readonly record: UsageRecord & { readonly occurMs: number };
  readonly recorder: Recorder;
  readonly nowMs: number;
}

/** The result of a record that is refused. */
export function rejected(record: Pick<UsageRecord, "usageId">, refusal: Refusal): RecordResult {
  return { usageId: record.usageId, outcome: "REJECTED", refusal };
}

/** The refusal of a record whose quantities come to more credits than the ledger can hold. */
export function tooMuch(field: string): Refusal {
  return invalidRecord([{ field, description: "comes to more credits than the ledger can hold" }]);
}
