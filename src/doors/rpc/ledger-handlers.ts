import { create } from "@bufbuild/protobuf";
import type { Provider } from "../../base/provider.ts";
import {
  BalanceSchema,
  GrantCategory as CategoryNumber,
  type PriceItem,
  PriceVersionSchema,
} from "../../gen/plori/ledger/v1/ledger_pb.ts";
import {
  GetBalanceResponseSchema,
  GrantCreditsResponseSchema,
  type LedgerService,
  ListChargesResponseSchema,
  PublishPricesResponseSchema,
  RecordOutcome,
  type RecordResult as RecordResultMessage,
  RecordResultSchema,
  RecordUsageResponseSchema,
} from "../../gen/plori/ledger/v1/ledger_service_pb.ts";
import type { Balance } from "../../ledger/balance.ts";
import { type LedgerStore, priceVersionName } from "../../ledger/ports.ts";
import type { ProposedItem } from "../../ledger/publish-prices.ts";
import type { GrantCategory } from "../../ledger/rows.ts";
import type { RecordResult } from "../../ledger/usage-record.ts";
import { type GrantCreditsDeps, grantCredits } from "../../ledger/verbs/grant-credits.ts";
import { type PublishPricesDeps, publishPrices } from "../../ledger/verbs/publish-prices.ts";
import { getBalance, listCharges } from "../../ledger/verbs/read-account.ts";
import { type RecordUsageDeps, recordUsage } from "../../ledger/verbs/record-usage.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { refusalToStatus } from "../status.ts";
import { chargeMessage, readComponent } from "./charge-message.ts";
import { creditsMessage, readCredits } from "./credits-message.ts";
import { grantMessage } from "./grant-message.ts";
import { createCorrectionHandlers } from "./ledger-correction-handlers.ts";
import { createSummaryHandlers } from "./ledger-summary-handlers.ts";
import { fromTimestamp, toTimestamp } from "./times.ts";
import { readUsageRecord } from "./usage-record-message.ts";
import { readProvider } from "./words.ts";

/** What the ledger's verbs need together. */
export type LedgerDeps = GrantCreditsDeps & PublishPricesDeps & RecordUsageDeps & { readonly ledger: LedgerStore };

/** The ledger's RPCs: messages in, verbs called, messages out. */
export function createLedgerHandlers(deps: LedgerDeps): ServiceHandlers<typeof LedgerService> {
  return {
    ...createCorrectionHandlers(deps),
    ...createSummaryHandlers(deps),
    async grantCredits(request, { caller }) {
      const { account, priority, category, effectiveTime, expireTime, requestId, actor } = request;
      const grant = await grantCredits(
        deps,
        {
          account,
          amountNano: readCredits(request.amount),
          priority,
          category: readCategory(category),
          effectiveMs: fromTimestamp(effectiveTime),
          expireMs: fromTimestamp(expireTime),
          requestId,
          actor,
        },
        caller,
      );
      return create(GrantCreditsResponseSchema, { grant: grantMessage(grant) });
    },
    async recordUsage({ records, requestId, actor }, { caller }) {
      const read = records.map(readUsageRecord);
      const results = await recordUsage(deps, { records: read, requestId, actor }, caller);
      return create(RecordUsageResponseSchema, { results: results.map(resultMessage) });
    },
    async getBalance({ account }) {
      return create(GetBalanceResponseSchema, { balance: balanceMessage(await getBalance(deps.ledger, account)) });
    },
    async listCharges({ account, pageSize, pageToken, filter }) {
      const page = await listCharges(deps.ledger, { account, pageSize, pageToken, filter });
      const charges = page.charges.map(chargeMessage);
      return create(ListChargesResponseSchema, { charges, nextPageToken: page.nextPageToken });
    },
    async publishPrices({ items, effectiveTime, requestId, actor }, { caller }) {
      const input = { items: items.map(readItem), effectiveMs: fromTimestamp(effectiveTime), requestId, actor };
      const version = await publishPrices(deps, input, caller);
      return create(PublishPricesResponseSchema, {
        priceVersion: create(PriceVersionSchema, {
          name: priceVersionName(version.version),
          version: BigInt(version.version),
          contentHash: version.contentHash,
          effectiveTime: toTimestamp(version.effectiveMs),
          publishTime: toTimestamp(version.publishMs),
          itemCount: version.itemCount,
        }),
      });
    },
  };
}

function readCategory(number: number): GrantCategory | undefined {
  if (number === CategoryNumber.UNSPECIFIED || number === CategoryNumber.PAID) return "PAID";
  return number === CategoryNumber.PROMOTIONAL ? "PROMOTIONAL" : undefined;
}

function balanceMessage(balance: Balance) {
  return create(BalanceSchema, {
    account: balance.account,
    available: creditsMessage(balance.availableNano),
    held: creditsMessage(balance.heldNano),
    spent: creditsMessage(balance.spentNano),
    overdraft: creditsMessage(balance.overdraftNano),
    granted: creditsMessage(balance.grantedNano),
    expired: creditsMessage(balance.expiredNano),
    voided: creditsMessage(balance.voidedNano),
    grants: balance.grants.map(grantMessage),
  });
}

function resultMessage(result: RecordResult): RecordResultMessage {
  const { usageId } = result;
  if (result.outcome === "REJECTED") {
    const status = refusalToStatus(result.refusal);
    return create(RecordResultSchema, { usageId, outcome: RecordOutcome.REJECTED, status });
  }
  const outcome = result.outcome === "CREATED" ? RecordOutcome.CREATED : RecordOutcome.REPLAYED;
  return create(RecordResultSchema, { usageId, outcome, charge: chargeMessage(result.charge) });
}

/** The empty provider stands for whichever serves; Anthropic and unknown numbers for none that could be priced. */
function readItem({ component, provider, model, minInputTokens, pricePico, unitCount }: PriceItem): ProposedItem {
  const named = readProvider(provider);
  const priced: Provider | "" | undefined =
    named === "unspecified" ? "" : named === "anthropic" || named === "unknown" ? undefined : named;
  return { component: readComponent(component), provider: priced, model, minInputTokens, pricePico, unitCount };
}
