import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import type { LedgerStore } from "../ports.ts";
import type { ChargeRow } from "../rows.ts";

/** What an export needs. */
export interface ExportChargesDeps {
  readonly ledger: Pick<LedgerStore, "chargesAfter" | "lastSequenceBefore" | "nextChargedAccount" | "sweepHolds">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Which charges to export. */
export interface ExportChargesInput {
  /** Empty: every account. */
  readonly account: string;
  /** Every account: goes on in this one. */
  readonly afterAccount: string;
  readonly afterSequence: bigint;
  /** Recorded at this time or later; undefined: from the first. */
  readonly startMs: number | undefined;
  /** Recorded before this time; undefined: to the newest. */
  readonly endMs: number | undefined;
}

/**
 * Charges in a fixed order, account after account, each one's oldest first, a page at a time. Charges never change, so that pages read at different moments
 * fit together. Ends soon after `signal` aborts. Throws FIELDS_INVALID.
 */
export async function* exportCharges(
  { ledger, clock }: ExportChargesDeps,
  input: ExportChargesInput,
  signal: AbortSignal,
): AsyncGenerator<readonly ChargeRow[], void> {
  const { account, afterAccount, afterSequence, startMs, endMs } = checkExport(input, clock.nowMs());
  // What was on its way to the disk with a time from before the end is there after this.
  if (endMs !== undefined) await ledger.sweepHolds();

  async function* ofAccount(one: string, after: number): AsyncGenerator<readonly ChargeRow[], void> {
    const end = endMs === undefined ? Number.MAX_SAFE_INTEGER : await ledger.lastSequenceBefore(one, endMs);
    let last = Math.max(after, startMs === undefined ? 0 : await ledger.lastSequenceBefore(one, startMs));
    while (!signal.aborted && last < end) {
      const size = Math.min(LIMITS.exportPageCharges, end - last);
      const page = await ledger.chargesAfter(one, last, size);
      if (page.length > 0) yield page;
      if (page.length < size) return;
      last = page.at(-1)?.sequence ?? end;
    }
  }

  if (account !== "") {
    yield* ofAccount(account, Number(afterSequence));
    return;
  }
  if (afterAccount !== "") yield* ofAccount(afterAccount, Number(afterSequence));
  let one = await ledger.nextChargedAccount(afterAccount);
  while (one !== undefined && !signal.aborted) {
    yield* ofAccount(one, 0);
    one = await ledger.nextChargedAccount(one);
  }
}

function checkExport(input: ExportChargesInput, nowMs: number): ExportChargesInput {
  const { account, afterAccount, afterSequence, startMs, endMs } = input;
  const fields = new FieldChecker();
  const isEvery = account === "";
  if (!isEvery) fields.id("account", account);
  if (afterAccount !== "") fields.id("after_account", afterAccount);
  fields.check(isEvery || afterAccount === "", "after_account", "must be empty when an account is named");
  const inRange = afterSequence >= 0n && afterSequence <= BigInt(Number.MAX_SAFE_INTEGER);
  fields.check(inRange, "after_sequence", "must be 0 or the sequence of a charge");
  const belongs = afterSequence === 0n || !isEvery || afterAccount !== "";
  fields.check(belongs, "after_sequence", "belongs to an account: name account, or after_account");
  fields.check(!isEvery || endMs !== undefined, "end_time", "is required for an export of every account");
  fields.check(endMs === undefined || endMs <= nowMs, "end_time", "must not be in the future");
  const isRange = startMs === undefined || endMs === undefined || startMs < endMs;
  fields.check(isRange, "start_time", "must be before end_time");
  fields.done();
  return input;
}
