import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { formatCredits } from "../../base/credits.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { MintId } from "../../base/ids.ts";
import { LIMITS } from "../../base/limits.ts";
import type { Caller } from "../../identity/roles.ts";
import type { CreditSettings } from "../credit-settings.ts";
import { type AskedCreditValue, type CreditValue, readCreditValue } from "../credit-value.ts";
import type { LedgerStore, PriceDraft } from "../ports.ts";
import type { ProposedItem } from "../publish-prices.ts";
import { hashItems } from "./publish-prices.ts";

const METHOD = "plori.ledger.v1.LedgerService/CreatePriceDraft";
const DRAFT_NAME = /^priceDrafts\/([A-Za-z0-9-]{1,64})$/;

/** What drafting prices needs. */
export interface DraftPricesDeps {
  readonly ledger: Pick<LedgerStore, "draftPrices">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly mintId: MintId;
  /** The hosted models of the catalogue at list price, in credits of this value. */
  readonly cataloguePrices: (value: CreditValue) => readonly ProposedItem[];
  /** What holds where a request does not say. */
  readonly creditSettings: Pick<CreditSettings, "creditsPerUsdNano" | "markupPercent">;
}

/** Prices to keep as a draft. */
export interface DraftPricesInput {
  readonly items: readonly ProposedItem[];
  /** Adds the catalogue's prices, except where `items` price the same. */
  readonly catalogue: AskedCreditValue | undefined;
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
  const value = catalogue && readCreditValue(fields, "catalogue.", catalogue, deps.creditSettings);
  fields.check(items.length <= LIMITS.priceItemsMax, "items", `must be 1-${LIMITS.priceItemsMax}`);
  fields.requestId(requestId);
  fields.actor(actor);
  fields.done();
  const own = new Set(items.map(placeOf));
  const listed = value === undefined ? [] : deps.cataloguePrices(value);
  const all = [...items, ...listed.filter((item) => !own.has(placeOf(item)))];
  const draftId = deps.mintId();
  const request = requestKey(requestId, caller, METHOD, "", {
    items: hashItems(items),
    // As asked for: the operator may change what holds where a request does not say.
    catalogue: hashField(
      asText(catalogue?.creditsPerUsdNano),
      asText(catalogue?.markupPercent),
      catalogue === undefined ? "" : "c",
    ),
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
    details: { items: String(all.length), ...describeValue(value) },
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

/** What the catalogue's prices were made with, in the audit's words. */
function describeValue(value: CreditValue | undefined): Record<string, string> {
  if (value === undefined) return {};
  return { credits_per_usd: formatCredits(value.creditsPerUsdNano), markup_percent: String(value.markupPercent) };
}

function asText(value: bigint | number | string | undefined): string {
  return value === undefined ? "" : String(value);
}

function placeOf({ component, provider, model, minInputTokens }: ProposedItem): string {
  return `${component}\n${provider}\n${model}\n${minInputTokens}`;
}
