import type { Mutation } from "../../audit/mutation.ts";
import { FieldChecker } from "../../base/fields.ts";
import { fromPlainJson, toPlainJson } from "../../base/plain-json.ts";
import type { PriceDraft } from "../../ledger/ports.ts";
import type { PriceVersion } from "../../ledger/price-book.ts";
import { judgePrices, type NewPrices, publishPrices } from "../../ledger/publish-prices.ts";
import { ledgerSet } from "./ledger-set.ts";
import type { WriteTransaction } from "./write-transaction.ts";
import { priorAnswer, recordMutation } from "./writes/mutation.ts";

/** Prices to keep as a draft, with their mutation. */
export interface DraftPricesInput {
  readonly draftId: string;
  readonly prices: NewPrices;
  readonly mutation: Mutation;
}

/** Keeps prices as a draft. */
export function draftPrices(tx: WriteTransaction, { draftId, prices, mutation }: DraftPricesInput): PriceDraft {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as PriceDraft;
  const warnings = judgePrices(ledgerSet(tx), prices, tx.nowMs);
  const draft: PriceDraft = { draftId, itemCount: prices.items.length, warnings, createMs: tx.nowMs };
  tx.run(
    "INSERT INTO price_draft (draft_id, prices, create_ms) VALUES (?, ?, ?)",
    draftId,
    toPlainJson(prices),
    tx.nowMs,
  );
  recordMutation(tx, mutation, draft);
  return draft;
}

/** Publishes a draft, once. Throws FIELDS_INVALID when there is no such draft or it was published. */
export function publishDraft(
  tx: WriteTransaction,
  input: { readonly draftId: string; readonly guarded: boolean; readonly mutation: Mutation },
): PriceVersion {
  const { draftId, guarded, mutation } = input;
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as PriceVersion;
  const row = tx.get("SELECT prices, version FROM price_draft WHERE draft_id = ?", draftId);
  const draft = row as { readonly prices: string; readonly version: bigint | null } | undefined;
  const fields = new FieldChecker();
  fields.check(draft !== undefined, "draft", "is not there");
  fields.check(draft === undefined || draft.version === null, "draft", "was published before");
  fields.done();
  const prices = fromPlainJson(draft?.prices ?? "") as NewPrices;
  const version = publishPrices(ledgerSet(tx), { ...prices, effectiveMs: prices.effectiveMs, guarded }, tx.nowMs);
  tx.run("UPDATE price_draft SET version = ? WHERE draft_id = ?", version.version, draftId);
  recordMutation(tx, mutation, version);
  return version;
}
