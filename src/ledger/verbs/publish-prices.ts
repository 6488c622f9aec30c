import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { LedgerStore } from "../ports.ts";
import type { PriceVersion } from "../price-book.ts";
import { checkPrices, checkPricesTime, type NewPrices } from "../publish-prices.ts";

const METHOD = "plori.ledger.v1.LedgerService/PublishPrices";

/** What publishing prices needs. */
export interface PublishPricesDeps {
  readonly ledger: Pick<LedgerStore, "publishPrices">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Prices to publish. */
export interface PublishPricesInput extends NewPrices {
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Publishes prices over those of the newest version, durably. `caller` is whoever publishes: an identity, or the service itself.
 * Throws FIELDS_INVALID or REQUEST_ID_CONFLICT, and what the store throws.
 */
export async function publishPrices(
  deps: PublishPricesDeps,
  { items, effectiveMs, requestId, actor }: PublishPricesInput,
  caller: { readonly spiffeId: string },
): Promise<PriceVersion> {
  const fields = new FieldChecker();
  // Checked again beside the newest version, where it is decided; here so that the caller learns of every wrong field at once.
  checkPrices(fields, { items, effectiveMs });
  fields.requestId(requestId);
  fields.actor(actor);
  // Not by itself: a repeated request must get its first answer, however much time has passed.
  if (fields.violations.length > 0) checkPricesTime(fields, { items, effectiveMs }, deps.clock.nowMs());
  fields.done();
  const request = requestKey(requestId, caller, METHOD, "", {
    items: hashField(
      ...items.flatMap((item) => [
        item.component ?? "",
        item.provider ?? "unknown",
        item.model,
        item.minInputTokens,
        item.pricePico,
        item.unitCount,
      ]),
    ),
    effective_time: hashField(effectiveMs ?? ""),
    actor: hashField(actor),
  });
  return deps.ledger.publishPrices(
    { items, effectiveMs },
    {
      audit: {
        kind: "prices.published",
        timeMs: deps.clock.nowMs(),
        caller: caller.spiffeId,
        actor,
        account: "",
        subject: "priceVersions",
        details: { items: String(items.length) },
      },
      ...(request === undefined ? {} : { request }),
    },
  );
}
