import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { LedgerStore } from "../ports.ts";
import type { PriceVersion } from "../price-book.ts";
import { checkPrices, checkPricesTime, type NewPrices, type ProposedItem } from "../publish-prices.ts";

const METHOD = "plori.ledger.v1.LedgerService/PublishPrices";

/** What publishing prices needs. */
export interface PublishPricesDeps {
  readonly ledger: Pick<LedgerStore, "publishPrices" | "publishDraft">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Prices to publish. */
export interface PublishPricesInput extends NewPrices {
  /** The id of the draft to publish, in place of items of its own; empty: none. */
  readonly draftId: string;
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Publishes prices over those of the newest version, durably. `caller` is whoever publishes: an identity, or the service itself.
 * Throws FIELDS_INVALID or REQUEST_ID_CONFLICT, and what the store throws.
 */
export async function publishPrices(
  deps: PublishPricesDeps,
  { items, effectiveMs, guarded = false, draftId, requestId, actor }: PublishPricesInput,
  caller: { readonly spiffeId: string },
): Promise<PriceVersion> {
  const fields = new FieldChecker();
  if (draftId === "") {
    // Checked again beside the newest version, where it is decided; here so that the caller learns of every wrong field at once.
    checkPrices(fields, { items, effectiveMs });
  } else {
    fields.check(
      items.length === 0 && effectiveMs === undefined,
      "draft",
      "stands in place of items and effective_time",
    );
  }
  fields.requestId(requestId);
  fields.actor(actor);
  // Not by itself: a repeated request must get its first answer, however much time has passed.
  if (fields.violations.length > 0 && draftId === "")
    checkPricesTime(fields, { items, effectiveMs }, deps.clock.nowMs());
  fields.done();
  const request = requestKey(requestId, caller, METHOD, "", {
    items: hashItems(items),
    draft: hashField(draftId),
    confirm_warnings: hashField(String(!guarded)),
    effective_time: hashField(effectiveMs ?? ""),
    actor: hashField(actor),
  });
  const details: Record<string, string> = draftId === "" ? { items: String(items.length) } : { draft: draftId };
  if (!guarded) details["warnings_confirmed"] = "true";
  const mutation = {
    audit: {
      kind: "prices.published",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor,
      account: "",
      subject: "priceVersions",
      details,
    },
    ...(request === undefined ? {} : { request }),
  } as const;
  return draftId === ""
    ? deps.ledger.publishPrices({ items, effectiveMs, guarded }, mutation)
    : deps.ledger.publishDraft(draftId, guarded, mutation);
}

/** A hash of proposed items in their order. */
export function hashItems(items: readonly ProposedItem[]): string {
  return hashField(
    ...items.flatMap((item) => [
      item.component ?? "",
      item.provider ?? "unknown",
      item.model,
      item.minInputTokens,
      item.pricePico,
      item.unitCount,
    ]),
  );
}
