import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { MintId } from "../../base/ids.ts";
import { LIMITS } from "../../base/limits.ts";
import type { Caller } from "../../identity/roles.ts";
import type { LedgerStore, PriceDraft } from "../ports.ts";
import type { ProposedItem } from "../publish-prices.ts";
import { hashItems } from "./publish-prices.ts";

const METHOD = "plori.ledger.v1.LedgerService/CreatePriceDraft";
const DRAFT_NAME = /^priceDrafts\/([A-Za-z0-9-]{1,64})$/;
const MARKUP_MAX_PERCENT = 1_000;
/** A million credits a dollar. */
const CREDITS_PER_USD_MAX_NANO = 1_000_000_000_000_000n;

/** What a US dollar is worth, and what is added to list prices. */
export interface CreditValue {
  /** In nano-credits; undefined: an amount that no ledger could hold. */
  readonly creditsPerUsdNano: bigint | undefined;
  readonly markupPercent: number;
}

/** What drafting prices needs. */
export interface DraftPricesDeps {
  readonly ledger: Pick<LedgerStore, "draftPrices">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly mintId: MintId;
  /** The hosted models of the catalogue at list price, in credits of this value. */
  readonly cataloguePrices: (value: { creditsPerUsdNano: bigint; markupPercent: number }) => readonly ProposedItem[];
}

/** Prices to keep as a draft. */
export interface DraftPricesInput {
  readonly items: readonly ProposedItem[];
  /** Adds the catalogue's prices, except where `items` price the same. */
  readonly catalogue: CreditValue | undefined;
  readonly effectiveMs: number | undefined;
  readonly requestId: string;
  readonly actor: string;
}

/** Keeps prices as a draft, durably. Throws FIELDS_INVALID or REQUEST_ID_CONFLICT, and what the store throws. */
export async function draftPrices(
  deps: DraftPricesDeps,
  { items, catalogue, effectiveMs, requestId, actor }: DraftPricesInput,
  caller: Caller,
): Promise<PriceDraft> {
  const fields = new FieldChecker();
  const { creditsPerUsdNano = 0n, markupPercent = 0 } = catalogue ?? {};
  if (catalogue !== undefined) {
    const inRange = creditsPerUsdNano > 0n && creditsPerUsdNano <= CREDITS_PER_USD_MAX_NANO;
    fields.check(inRange, "catalogue.credits_per_usd", "must be more than zero, and at most a million credits");
    fields.check(
      markupPercent >= 0 && markupPercent <= MARKUP_MAX_PERCENT,
      "catalogue.markup_percent",
      `must be 0-${MARKUP_MAX_PERCENT}`,
    );
  }
  fields.check(items.length <= LIMITS.priceItemsMax, "items", `must be 1-${LIMITS.priceItemsMax}`);
  fields.requestId(requestId);
  fields.actor(actor);
  fields.done();
  const own = new Set(items.map(placeOf));
  const listed = catalogue === undefined ? [] : deps.cataloguePrices({ creditsPerUsdNano, markupPercent });
  const all = [...items, ...listed.filter((item) => !own.has(placeOf(item)))];
  const draftId = deps.mintId();
  const request = requestKey(requestId, caller, METHOD, "", {
    items: hashItems(items),
    catalogue: hashField(creditsPerUsdNano, markupPercent),
    effective_time: hashField(effectiveMs ?? ""),
    actor: hashField(actor),
  });
  const audit = {
    kind: "prices.drafted",
    timeMs: deps.clock.nowMs(),
    caller: caller.spiffeId,
    actor,
    account: "",
    subject: `priceDrafts/${draftId}`,
    details: { items: String(all.length) },
  } as const;
  return deps.ledger.draftPrices(
    draftId,
    { items: all, effectiveMs },
    request === undefined ? { audit } : { audit, request },
  );
}

/** The id in a draft's resource name; empty for none. Throws FIELDS_INVALID. */
export function readDraftName(name: string): string {
  if (name === "") return "";
  const id = DRAFT_NAME.exec(name)?.[1];
  const fields = new FieldChecker();
  fields.check(id !== undefined, "draft", "must be priceDrafts/{draft}");
  fields.done();
  return id ?? "";
}

function placeOf({ component, provider, model, minInputTokens }: ProposedItem): string {
  return `${component}\n${provider}\n${model}\n${minInputTokens}`;
}
