import { create } from "@bufbuild/protobuf";
import {
  CallOutcome as CallOutcomeNumber,
  type Charge,
  ChargeLineSchema,
  ChargeSchema,
  Component as ComponentNumber,
  UsageKind as UsageKindNumber,
  UsageState,
} from "../../gen/plori/ledger/v1/ledger_pb.ts";
import { chargeName, priceVersionName } from "../../ledger/ports.ts";
import { labelsIn } from "../../ledger/record-text.ts";
import type { CallOutcome, ChargeLine, ChargeRow, Component, UsageKind } from "../../ledger/rows.ts";
import { creditsMessage } from "./credits-message.ts";
import { toTimestamp } from "./times.ts";
import { payerNumber, providerNumber } from "./words.ts";

/** The numbers of what can be used. */
export const KIND_NUMBERS = {
  MODEL_CALL: UsageKindNumber.MODEL_CALL,
  COMPUTE: UsageKindNumber.COMPUTE,
  DISK: UsageKindNumber.DISK,
} as const satisfies Record<UsageKind, UsageKindNumber>;

/** The numbers of what is counted. */
export const COMPONENT_NUMBERS = {
  INPUT_UNCACHED: ComponentNumber.INPUT_UNCACHED,
  CACHE_READ: ComponentNumber.CACHE_READ,
  CACHE_WRITE: ComponentNumber.CACHE_WRITE,
  OUTPUT: ComponentNumber.OUTPUT,
  REASONING: ComponentNumber.REASONING,
  VCPU: ComponentNumber.VCPU,
  MEMORY: ComponentNumber.MEMORY,
  DISK: ComponentNumber.DISK,
} as const satisfies Record<Component, ComponentNumber>;

const COMPONENT_WORDS = new Map<number, Component>(
  (Object.entries(COMPONENT_NUMBERS) as [Component, ComponentNumber][]).map(([word, number]) => [number, word]),
);

const OUTCOME_NUMBERS = {
  SUCCEEDED: CallOutcomeNumber.SUCCEEDED,
  FAILED: CallOutcomeNumber.FAILED,
  CANCELLED: CallOutcomeNumber.CANCELLED,
} as const satisfies Record<CallOutcome, CallOutcomeNumber>;

const OUTCOME_WORDS = new Map<number, CallOutcome>([
  [CallOutcomeNumber.UNSPECIFIED, "SUCCEEDED"],
  ...(Object.entries(OUTCOME_NUMBERS) as [CallOutcome, CallOutcomeNumber][]).map(
    ([word, number]): [number, CallOutcome] => [number, word],
  ),
]);

/** The component that a number stands for; undefined when it stands for none. */
export function readComponent(number: number): Component | undefined {
  return COMPONENT_WORDS.get(number);
}

/** The outcome that a number stands for, unspecified being SUCCEEDED; undefined when it stands for none. */
export function readOutcome(number: number): CallOutcome | undefined {
  return OUTCOME_WORDS.get(number);
}

/** A charge as the API shows it. */
export function chargeMessage(charge: ChargeRow): Charge {
  return create(ChargeSchema, {
    name: chargeName(charge),
    usageId: charge.usageId,
    account: charge.account,
    agent: charge.agent,
    kind: KIND_NUMBERS[charge.kind],
    payer: payerNumber(charge.payer),
    amount: creditsMessage(charge.amountNano),
    ...(charge.listNano === undefined ? {} : { listAmount: creditsMessage(charge.listNano) }),
    lines: charge.lines.map(lineMessage),
    overdraftAmount: creditsMessage(charge.overdraftNano),
    usageState: charge.estimated ? UsageState.ESTIMATED : UsageState.EXACT,
    priceVersion: priceVersionName(charge.priceVersion),
    provider: providerNumber(charge.provider),
    model: charge.model,
    upstreamModel: charge.upstreamModel,
    route: charge.routeId,
    hold: charge.holdId === "" ? "" : `accounts/${charge.account}/holds/${charge.holdId}`,
    callId: charge.callId,
    attempt: charge.attempt,
    outcome: charge.outcome === undefined ? CallOutcomeNumber.UNSPECIFIED : OUTCOME_NUMBERS[charge.outcome],
    keyVersion: BigInt(charge.keyVersion),
    ...(charge.providerCostUsdNano === undefined ? {} : { providerCostUsdNanos: charge.providerCostUsdNano }),
    providerRequestId: charge.providerRequestId,
    labels: labelsIn(charge.recordText),
    occurTime: toTimestamp(charge.occurMs),
    recordTime: toTimestamp(charge.recordMs),
    sequence: BigInt(charge.sequence),
    reverses: charge.reverses === 0 ? "" : chargeName({ account: charge.account, sequence: charge.reverses }),
  });
}

/** A charge's line as the API shows it. */
export function lineMessage(line: ChargeLine) {
  return create(ChargeLineSchema, {
    component: COMPONENT_NUMBERS[line.component],
    quantity: line.quantity,
    pricePico: line.pricePico,
    unitCount: line.unitCount,
    amount: creditsMessage(line.amountNano),
    ...(line.listNano === undefined ? {} : { listAmount: creditsMessage(line.listNano) }),
  });
}
