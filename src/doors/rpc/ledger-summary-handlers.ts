import { create } from "@bufbuild/protobuf";
import { UsageKind } from "../../gen/plori/ledger/v1/ledger_pb.ts";
import {
  ComponentQuantitySchema,
  ExportChargesResponseSchema,
  type LedgerService,
  ReconcileDayResponseSchema,
  ReconciledModelSchema,
  SummarizeUsageResponseSchema,
  UsageGrouping,
  UsageSummarySchema,
} from "../../gen/plori/ledger/v1/ledger_service_pb.ts";
import { Payer } from "../../gen/plori/type/v1/type_pb.ts";
import { COMPONENTS } from "../../ledger/rows.ts";
import type { Grouping, UsageSum } from "../../ledger/summarize-usage.ts";
import { type ExportChargesDeps, exportCharges } from "../../ledger/verbs/export-charges.ts";
import { type ReconcileDayDeps, reconcileDay } from "../../ledger/verbs/reconcile-day.ts";
import { type SummarizeUsageDeps, summarizeUsage } from "../../ledger/verbs/summarize-usage.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { COMPONENT_NUMBERS, chargeMessage, KIND_NUMBERS } from "./charge-message.ts";
import { creditsMessage, readOptionalCredits } from "./credits-message.ts";
import { ManifestBuilder } from "./export-manifest.ts";
import { fromTimestamp, toTimestamp } from "./times.ts";
import { payerNumber, providerNumber, readProvider } from "./words.ts";

const GROUPING_WORDS = new Map<number, Grouping>([
  [UsageGrouping.DAY, "DAY"],
  [UsageGrouping.HOUR, "HOUR"],
  [UsageGrouping.KIND, "KIND"],
  [UsageGrouping.PROVIDER, "PROVIDER"],
  [UsageGrouping.MODEL, "MODEL"],
  [UsageGrouping.AGENT, "AGENT"],
  [UsageGrouping.PAYER, "PAYER"],
]);

/** The ledger's RPCs that sum up. */
export function createSummaryHandlers(
  deps: SummarizeUsageDeps & ExportChargesDeps & ReconcileDayDeps,
): Pick<ServiceHandlers<typeof LedgerService>, "summarizeUsage" | "exportCharges" | "reconcileDay"> {
  return {
    async *exportCharges({ account, afterAccount, afterSequence, startTime, endTime }, { signal }) {
      const manifest = new ManifestBuilder(account === "" ? afterAccount : account, afterSequence);
      const times = { startMs: fromTimestamp(startTime), endMs: fromTimestamp(endTime) };
      for await (const page of exportCharges(deps, { account, afterAccount, afterSequence, ...times }, signal)) {
        const charges = page.map(chargeMessage);
        for (const [index, charge] of charges.entries()) manifest.add(charge, page[index]?.amountNano ?? 0n);
        yield create(ExportChargesResponseSchema, { charges });
      }
      if (!signal.aborted) yield create(ExportChargesResponseSchema, { manifest: manifest.message() });
    },
    async reconcileDay({ provider, day, billedUsdNanos, creditsPerUsd, markupPercent }) {
      const named = readProvider(provider);
      const result = await reconcileDay(deps, {
        provider: named === "unspecified" || named === "unknown" || named === "anthropic" ? undefined : named,
        dayMs: fromTimestamp(day),
        billedUsdNano: billedUsdNanos,
        creditsPerUsdNano: readOptionalCredits(creditsPerUsd),
        markupPercent,
      });
      return create(ReconcileDayResponseSchema, {
        capturedUsdNanos: result.capturedUsdNano,
        differenceUsdNanos: result.differenceUsdNano,
        ...(result.ratioMillionths === undefined ? {} : { captureRatioMillionths: result.ratioMillionths }),
        outOfTolerance: result.outOfTolerance,
        models: result.models.map((sum) =>
          create(ReconciledModelSchema, {
            model: sum.model ?? "",
            charges: BigInt(sum.charges),
            amount: creditsMessage(sum.amountNano),
            quantities: quantityMessages(sum),
          }),
        ),
      });
    },
    async summarizeUsage({ account, startTime, endTime, groupBy }) {
      const sums = await summarizeUsage(deps, {
        account,
        startMs: fromTimestamp(startTime),
        endMs: fromTimestamp(endTime),
        groupBy: groupBy.map((number) => GROUPING_WORDS.get(number)),
      });
      return create(SummarizeUsageResponseSchema, { summaries: sums.map(summaryMessage) });
    },
  };
}

function summaryMessage(sum: UsageSum) {
  return create(UsageSummarySchema, {
    ...(sum.startMs === undefined ? {} : { startTime: toTimestamp(sum.startMs) }),
    kind: sum.kind === undefined ? UsageKind.UNSPECIFIED : KIND_NUMBERS[sum.kind],
    provider: providerNumber(sum.provider === "" ? undefined : sum.provider),
    model: sum.model ?? "",
    agent: sum.agent ?? "",
    payer: sum.payer === undefined ? Payer.UNSPECIFIED : payerNumber(sum.payer),
    charges: BigInt(sum.charges),
    amount: creditsMessage(sum.amountNano),
    listAmount: creditsMessage(sum.listNano),
    quantities: quantityMessages(sum),
  });
}

function quantityMessages({ quantities }: UsageSum) {
  return COMPONENTS.filter((component) => quantities[component] > 0n).map((component) =>
    create(ComponentQuantitySchema, { component: COMPONENT_NUMBERS[component], quantity: quantities[component] }),
  );
}
