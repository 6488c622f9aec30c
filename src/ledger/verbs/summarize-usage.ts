import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import type { LedgerStore } from "../ports.ts";
import type { Grouping, UsageSum } from "../summarize-usage.ts";

const HOUR_MS = 3_600_000;

/** What a summary needs. */
export interface SummarizeUsageDeps {
  readonly ledger: Pick<LedgerStore, "summarizeUsage">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Which usage, and how it is grouped. */
export interface SummarizeUsageInput {
  readonly account: string;
  /** Undefined: `LIMITS.summaryRangeDefaultMs` before the end. */
  readonly startMs: number | undefined;
  /** Undefined: now. */
  readonly endMs: number | undefined;
  /** Undefined stands for a grouping that nobody knows. */
  readonly groupBy: readonly (Grouping | undefined)[];
}

/** An account's usage of whole hours, summed up by group; nothing for an unknown account. Throws FIELDS_INVALID. */
export async function summarizeUsage(
  { ledger, clock }: SummarizeUsageDeps,
  { account, groupBy, ...range }: SummarizeUsageInput,
): Promise<readonly UsageSum[]> {
  // The hour in which the end lies is part of it.
  const endMs = Math.ceil((range.endMs ?? clock.nowMs() + LIMITS.occurFutureMaxMs) / HOUR_MS) * HOUR_MS;
  const startMs = Math.floor((range.startMs ?? endMs - LIMITS.summaryRangeDefaultMs) / HOUR_MS) * HOUR_MS;
  const known = groupBy.filter((grouping) => grouping !== undefined);
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.check(startMs < endMs, "start_time", "must be before end_time");
  fields.check(endMs - startMs <= LIMITS.summaryRangeMaxMs, "end_time", "must be at most 400 days after start_time");
  fields.check(known.length === groupBy.length, "group_by", "has a grouping that is not known");
  fields.check(new Set(known).size === known.length, "group_by", "names a grouping twice");
  fields.done();
  const sums = await ledger.summarizeUsage(account, startMs, endMs, known);
  fields.check(
    sums !== undefined,
    "group_by",
    `gives more than ${LIMITS.summaryGroupsMax} groups: ask for a shorter time`,
  );
  fields.done();
  return sums ?? [];
}
