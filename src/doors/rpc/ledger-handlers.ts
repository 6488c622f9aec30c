import { create } from "@bufbuild/protobuf";
import { BalanceSchema, GrantCategory as CategoryNumber } from "../../gen/plori/ledger/v1/ledger_pb.ts";
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
import type { LedgerStore } from "../../ledger/ports.ts";
import type { GrantCategory } from "../../ledger/rows.ts";
import type { RecordResult } from "../../ledger/usage-record.ts";
import { readDraftName } from "../../ledger/verbs/draft-prices.ts";
import { type GrantCreditsDeps, grantCredits } from "../../ledger/verbs/grant-credits.ts";
import { type PublishPricesDeps, publishPrices } from "../../ledger/verbs/publish-prices.ts";
import { getBalance, listCharges } from "../../ledger/verbs/read-account.ts";
import type { ReconcileDayDeps } from "../../ledger/verbs/reconcile-day.ts";
import { type RecordUsageDeps, recordUsage } from "../../ledger/verbs/record-usage.ts";
import type { WatchAccountsDeps } from "../../ledger/verbs/watch-accounts.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { refusalToStatus } from "../status.ts";
import { chargeMessage } from "./charge-message.ts";
import { creditsMessage, readCredits } from "./credits-message.ts";
import { grantMessage } from "./grant-message.ts";
import { createCorrectionHandlers } from "./ledger-correction-handlers.ts";
import { createPriceHandlers, type PriceHandlerDeps, readItem, versionMessage } from "./ledger-price-handlers.ts";
import { createSummaryHandlers } from "./ledger-summary-handlers.ts";
import { createWatchHandlers } from "./ledger-watch-handlers.ts";
import { fromTimestamp } from "./times.ts";
import { readUsageRecord } from "./usage-record-message.ts";

/** What the ledger's verbs need together. */
export type LedgerDeps = GrantCreditsDeps &
  PriceHandlerDeps &
  PublishPricesDeps &
  RecordUsageDeps &
  ReconcileDayDeps &
  WatchAccountsDeps & { readonly ledger: LedgerStore };

/** The ledger's RPCs: messages in, verbs called, messages out. */
export function createLedgerHandlers(deps: LedgerDeps): ServiceHandlers<typeof LedgerService> {
  return {
    ...createCorrectionHandlers(deps),
    ...createSummaryHandlers(deps),
    ...createPriceHandlers(deps),
    ...createWatchHandlers(deps),
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
    async publishPrices({ items, effectiveTime, draft, confirmWarnings, requestId, actor }, { caller }) {
      const effectiveMs = fromTimestamp(effectiveTime);
      const draftId = readDraftName(draft);
      const input = { items: items.map(readItem), effectiveMs, draftId, guarded: !confirmWarnings, requestId, actor };
      const version = await publishPrices(deps, input, caller);
      return create(PublishPricesResponseSchema, { priceVersion: versionMessage(version) });
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
