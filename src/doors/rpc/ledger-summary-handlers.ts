import { create } from "@bufbuild/protobuf";
import { UsageKind } from "../../gen/plori/ledger/v1/ledger_pb.ts";
import {
  ComponentQuantitySchema,
  type LedgerService,
  SummarizeUsageResponseSchema,
  UsageGrouping,
  UsageSummarySchema,
} from "../../gen/plori/ledger/v1/ledger_service_pb.ts";
import { Payer } from "../../gen/plori/type/v1/type_pb.ts";
import { COMPONENTS } from "../../ledger/rows.ts";
import type { Grouping, UsageSum } from "../../ledger/summarize-usage.ts";
import { type SummarizeUsageDeps, summarizeUsage } from "../../ledger/verbs/summarize-usage.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { COMPONENT_NUMBERS, KIND_NUMBERS } from "./charge-message.ts";
import { creditsMessage } from "./credits-message.ts";
import { fromTimestamp, toTimestamp } from "./times.ts";
import { payerNumber, providerNumber } from "./words.ts";

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
  deps: SummarizeUsageDeps,
): Pick<ServiceHandlers<typeof LedgerService>, "summarizeUsage"> {
  return {
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
    quantities: COMPONENTS.filter((component) => sum.quantities[component] > 0n).map((component) =>
      create(ComponentQuantitySchema, {
        component: COMPONENT_NUMBERS[component],
        quantity: sum.quantities[component],
      }),
    ),
  });
}
