import { create } from "@bufbuild/protobuf";
import {
  OnKeyFailure,
  type RoutingPolicy as PolicyMessage,
  RoutingPolicySchema,
} from "../../gen/plori/router/v1/router_pb.ts";
import type { WantedChoices } from "../../router/check-policy.ts";
import type { RoutingPolicy } from "../../router/decision.ts";
import type { NamedPin } from "../../router/model-name.ts";
import { choicesOf, policyEtag, policyName } from "../../router/policy-record.ts";
import type { PolicyRecord } from "../../router/ports.ts";
import { creditsMessage, readCredits } from "./credits-message.ts";
import { toTimestamp } from "./times.ts";
import { providerNumber, readProvider } from "./words.ts";

const FAILURE_NUMBERS = {
  STOP: OnKeyFailure.STOP,
  OTHER_KEYS: OnKeyFailure.OTHER_KEYS,
  CREDITS: OnKeyFailure.CREDITS,
} as const satisfies Record<RoutingPolicy["onKeyFailure"], OnKeyFailure>;

const FAILURE_WORDS = new Map<number, WantedChoices["onKeyFailure"]>([
  [OnKeyFailure.UNSPECIFIED, "unspecified"],
  [OnKeyFailure.STOP, "STOP"],
  [OnKeyFailure.OTHER_KEYS, "OTHER_KEYS"],
  [OnKeyFailure.CREDITS, "CREDITS"],
]);

/** An account's policy as the API shows it; the default for an account that has set none. */
export function policyMessage(account: string, record: PolicyRecord | undefined): PolicyMessage {
  const { providerOrder, pins, onKeyFailure, maxHostedCallNano } = choicesOf(record);
  return create(RoutingPolicySchema, {
    name: policyName(account),
    providerOrder: providerOrder.map(providerNumber),
    pins: pins.map(({ model, provider }) => ({ model, provider: providerNumber(provider) })),
    onKeyFailure: FAILURE_NUMBERS[onKeyFailure],
    ...(maxHostedCallNano === undefined ? {} : { maxHostedCallAmount: creditsMessage(maxHostedCallNano) }),
    etag: policyEtag(record),
    ...(record === undefined ? {} : { updateTime: toTimestamp(record.updateMs) }),
  });
}

/** What a request wants a policy to be. */
export function readChoices({ providerOrder, pins, onKeyFailure, maxHostedCallAmount }: PolicyMessage): WantedChoices {
  return {
    providerOrder: providerOrder.map(readNamed),
    pins: pins.map(({ model, provider }) => ({ model, provider: readNamed(provider) })),
    onKeyFailure: FAILURE_WORDS.get(onKeyFailure) ?? "unknown",
    maxHostedCallNano: maxHostedCallAmount === undefined ? undefined : (readCredits(maxHostedCallAmount) ?? "invalid"),
  };
}

function readNamed(number: number): NamedPin | undefined {
  const provider = readProvider(number);
  return provider === "unspecified" ? undefined : provider;
}
