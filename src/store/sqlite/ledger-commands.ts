import type { Mutation } from "../../audit/mutation.ts";
import { catchUp } from "../../ledger/catch-up.ts";
import { grantCredits as decideGrant, type NewGrant } from "../../ledger/grant-credits.ts";
import type { PriceVersion } from "../../ledger/price-book.ts";
import { publishPrices as decidePrices, type NewPrices } from "../../ledger/publish-prices.ts";
import { recordUsage as decideUsage } from "../../ledger/record-usage.ts";
import type { GrantRow } from "../../ledger/rows.ts";
import type { Recorder, RecordResult, UsageRecord } from "../../ledger/usage-record.ts";
import { CHARGE_COLUMNS, type StoredCharge, toCharge } from "./ledger-rows.ts";
import { ledgerSet } from "./ledger-set.ts";
import type { WriteTransaction } from "./write-transaction.ts";
import { priorAnswer, recordMutation } from "./writes/mutation.ts";

/** Accounts of one sweep. */
const SWEEP_MAX = 500;

/** Credits to give, with their mutation. */
export interface GrantCreditsInput {
  readonly grant: NewGrant;
  readonly mutation: Mutation;
}

/** Gives credits. */
export function grantCredits(tx: WriteTransaction, { grant, mutation }: GrantCreditsInput): GrantRow {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as GrantRow;
  const granted = { ...decideGrant(ledgerSet(tx), grant, tx.nowMs) };
  recordMutation(tx, mutation, granted);
  return granted;
}

/** Prices to publish, with their mutation. */
export interface PublishPricesInput {
  readonly prices: NewPrices;
  readonly mutation: Mutation;
}

/** Publishes a price version. */
export function publishPrices(tx: WriteTransaction, { prices, mutation }: PublishPricesInput): PriceVersion {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as PriceVersion;
  const version = decidePrices(ledgerSet(tx), prices, tx.nowMs);
  recordMutation(tx, mutation, version);
  return version;
}

/** Usage to record, with its mutation. */
export interface RecordUsageInput {
  readonly records: readonly UsageRecord[];
  readonly recorder: Recorder;
  readonly mutation: Mutation;
}

/** Records usage, each record judged alone. Nothing is audited, and no answer kept, unless a charge was created. */
export function recordUsage(
  tx: WriteTransaction,
  { records, recorder, mutation }: RecordUsageInput,
): readonly RecordResult[] {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return withCharges(tx, before.answer as readonly StoredResult[]);
  const set = ledgerSet(tx);
  const results = records.map((record) => decideUsage(set, record, recorder, tx.nowMs));
  if (results.some((result) => result.outcome === "CREATED")) {
    recordMutation(tx, mutation, mutation.request === undefined ? [] : results.map(withoutCharge));
  }
  return results;
}

/** Books what time has ended. Returns for how many accounts. */
export function sweepHolds(tx: WriteTransaction): number {
  const due = tx.all(
    `SELECT account FROM pool WHERE due_ms IS NOT NULL AND due_ms <= ? ORDER BY due_ms LIMIT ${SWEEP_MAX}`,
    tx.nowMs,
  ) as { account: string }[];
  const set = ledgerSet(tx);
  for (const { account } of due) catchUp(set, account, tx.nowMs);
  return due.length;
}

/** A result as it is kept under its request id: the charge stands in its own table and never changes. */
type StoredResult =
  | Extract<RecordResult, { outcome: "REJECTED" }>
  | {
      readonly usageId: string;
      readonly outcome: "CREATED" | "REPLAYED";
      readonly account: string;
      readonly sequence: number;
    };

function withoutCharge(result: RecordResult): StoredResult {
  if (result.outcome === "REJECTED") return result;
  const { usageId, outcome, charge } = result;
  return { usageId, outcome, account: charge.account, sequence: charge.sequence };
}

function withCharges(tx: WriteTransaction, stored: readonly StoredResult[]): readonly RecordResult[] {
  // The first request may stand in this very batch: then its charges are still in memory.
  tx.dirty = true;
  tx.flush();
  return stored.map((result) => {
    if (result.outcome === "REJECTED") return result;
    const { usageId, outcome, account, sequence } = result;
    const row = tx.get(`SELECT ${CHARGE_COLUMNS} FROM charge WHERE account = ? AND sequence = ?`, account, sequence);
    return { usageId, outcome, charge: toCharge(row as StoredCharge) };
  });
}
