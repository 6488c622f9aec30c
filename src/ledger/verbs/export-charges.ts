import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import type { LedgerStore } from "../ports.ts";
import type { ChargeRow } from "../rows.ts";

/** What an export needs. */
export interface ExportChargesDeps {
  readonly ledger: Pick<LedgerStore, "chargesAfter">;
}

/**
 * The account's charges after a sequence, oldest first, a page at a time. Charges never change, so that pages read at different moments fit together. Ends
 * soon after `signal` aborts. Throws FIELDS_INVALID.
 */
export async function* exportCharges(
  { ledger }: ExportChargesDeps,
  { account, afterSequence }: { readonly account: string; readonly afterSequence: bigint },
  signal: AbortSignal,
): AsyncGenerator<readonly ChargeRow[], void> {
  const fields = new FieldChecker();
  fields.id("account", account);
  const inRange = afterSequence >= 0n && afterSequence <= BigInt(Number.MAX_SAFE_INTEGER);
  fields.check(inRange, "after_sequence", "must be 0 or the sequence of a charge");
  fields.done();
  let last = Number(afterSequence);
  while (!signal.aborted) {
    const page = await ledger.chargesAfter(account, last, LIMITS.exportPageCharges);
    if (page.length > 0) yield page;
    if (page.length < LIMITS.exportPageCharges) return;
    last = page.at(-1)?.sequence ?? last;
  }
}
