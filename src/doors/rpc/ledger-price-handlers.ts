import { create } from "@bufbuild/protobuf";
import type { Provider } from "../../base/provider.ts";
import {
  type PriceItem as PriceItemMessage,
  PriceItemSchema,
  PriceVersionSchema,
} from "../../gen/plori/ledger/v1/ledger_pb.ts";
import {
  CreatePriceDraftResponseSchema,
  type LedgerService,
  ListPricesResponseSchema,
  PreviewChargeResponseSchema,
  PriceWarningSchema,
} from "../../gen/plori/ledger/v1/ledger_service_pb.ts";
import { priceVersionName } from "../../ledger/ports.ts";
import type { PriceItem, PriceVersion } from "../../ledger/price-book.ts";
import type { ProposedItem } from "../../ledger/publish-prices.ts";
import { type DraftPricesDeps, draftPrices } from "../../ledger/verbs/draft-prices.ts";
import { listPrices, previewCharge, type ReadPricesDeps } from "../../ledger/verbs/read-prices.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { COMPONENT_NUMBERS, lineMessage, readComponent } from "./charge-message.ts";
import { creditsMessage, readOptionalCredits } from "./credits-message.ts";
import { fromTimestamp, toTimestamp } from "./times.ts";
import { providerNumber, readProvider } from "./words.ts";

/** What the price RPCs need. */
export type PriceHandlerDeps = DraftPricesDeps & ReadPricesDeps;

/** The ledger's RPCs about prices, but for their publication. */
export function createPriceHandlers(
  deps: PriceHandlerDeps,
): Pick<ServiceHandlers<typeof LedgerService>, "createPriceDraft" | "listPrices" | "previewCharge"> {
  return {
    async createPriceDraft({ items, catalogue, effectiveTime, requestId, actor }, { caller }) {
      const source = catalogue && {
        creditsPerUsdNano: readOptionalCredits(catalogue.creditsPerUsd),
        markupPercent: catalogue.markupPercent,
      };
      const draft = await draftPrices(
        deps,
        { items: items.map(readItem), catalogue: source, effectiveMs: fromTimestamp(effectiveTime), requestId, actor },
        caller,
      );
      return create(CreatePriceDraftResponseSchema, {
        draft: `priceDrafts/${draft.draftId}`,
        itemCount: draft.itemCount,
        warnings: draft.warnings.map((warning) => create(PriceWarningSchema, warning)),
      });
    },
    async listPrices({ priceVersion, pageSize, pageToken }) {
      const page = await listPrices(deps, { priceVersion, pageSize, pageToken });
      return create(ListPricesResponseSchema, {
        ...(page.version === undefined ? {} : { priceVersion: versionMessage(page.version) }),
        items: page.items.map(itemMessage),
        nextPageToken: page.nextPageToken,
      });
    },
    async previewCharge({ quantities, provider, upstreamModel, model, priceVersion }) {
      const { priced, version } = await previewCharge(deps, {
        quantities: quantities.map(({ component, quantity }) => ({ component: readComponent(component), quantity })),
        provider: readPriceProvider(provider),
        upstreamModel,
        canonicalModel: model,
        priceVersion,
      });
      return create(PreviewChargeResponseSchema, {
        amount: creditsMessage(priced.totalNano),
        lines: priced.lines.map(lineMessage),
        priceVersion: priceVersionName(version.version),
      });
    },
  };
}

/** A price version as the API shows it. */
export function versionMessage(version: PriceVersion) {
  return create(PriceVersionSchema, {
    name: priceVersionName(version.version),
    version: BigInt(version.version),
    contentHash: version.contentHash,
    effectiveTime: toTimestamp(version.effectiveMs),
    publishTime: toTimestamp(version.publishMs),
    itemCount: version.itemCount,
  });
}

function itemMessage({ component, provider, ...item }: PriceItem): PriceItemMessage {
  return create(PriceItemSchema, {
    ...item,
    component: COMPONENT_NUMBERS[component],
    provider: providerNumber(provider === "" ? undefined : provider),
  });
}

/** A price item as its caller sent it, nothing checked yet. */
export function readItem(message: PriceItemMessage): ProposedItem {
  const { component, provider, model, minInputTokens, pricePico, unitCount } = message;
  const named = readPriceProvider(provider);
  return { component: readComponent(component), provider: named, model, minInputTokens, pricePico, unitCount };
}

/** The empty provider stands for whichever serves; Anthropic and unknown numbers for none that could be priced. */
function readPriceProvider(number: number): Provider | "" | undefined {
  const named = readProvider(number);
  if (named === "unspecified") return "";
  return named === "anthropic" || named === "unknown" ? undefined : named;
}
