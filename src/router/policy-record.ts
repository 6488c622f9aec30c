import { formatCredits } from "../base/credits.ts";
import { DEFAULT_POLICY, type RoutingPolicy } from "./decision.ts";
import type { PolicyChoices, PolicyRecord } from "./ports.ts";
import { completeOrder } from "./provider-order.ts";

/** What holds for an account that has chosen nothing. */
export const DEFAULT_CHOICES: PolicyChoices = {
  providerOrder: [],
  pins: [],
  onKeyFailure: DEFAULT_POLICY.onKeyFailure,
};

/** What a policy chooses; the default for an account that has set none. */
export function choicesOf(record: PolicyRecord | undefined): PolicyChoices {
  if (record === undefined) return DEFAULT_CHOICES;
  const { providerOrder, pins, onKeyFailure, maxHostedCallNano } = record;
  return { providerOrder, pins, onKeyFailure, ...(maxHostedCallNano === undefined ? {} : { maxHostedCallNano }) };
}

/** The resource name of an account's policy. */
export function policyName(account: string): string {
  return `accounts/${account}/routingPolicy`;
}

/** The etag of a policy, which changes with every change of it; `undefined` stands for the default of an account that has set none. */
export function policyEtag(record: Pick<PolicyRecord, "revision"> | undefined): string {
  return `policy-${record?.revision ?? 0}`;
}

/** What decisions go by. Made once for every change, so that a decision only looks things up. */
export function toRoutingPolicy(choices: PolicyChoices): RoutingPolicy {
  const { providerOrder, pins, onKeyFailure, maxHostedCallNano } = choices;
  return {
    onKeyFailure,
    ...(providerOrder.length === 0 ? {} : { order: completeOrder(providerOrder) }),
    ...(pins.length === 0 ? {} : { pins: new Map(pins.map(({ model, provider }) => [model, provider])) }),
    ...(maxHostedCallNano === undefined ? {} : { maxHostedCallNano }),
  };
}

/** What was chosen, in the audit's words; each name begins with `prefix`. */
export function describeChoices(prefix: "old" | "new", choices: PolicyChoices): Readonly<Record<string, string>> {
  const { providerOrder, pins, onKeyFailure, maxHostedCallNano } = choices;
  return {
    [`${prefix}_on_key_failure`]: onKeyFailure,
    [`${prefix}_provider_order`]: providerOrder.join(" "),
    // A model's name may hold any printable character, spaces too.
    [`${prefix}_pins`]: JSON.stringify(pins.map(({ model, provider }) => [model, provider])),
    [`${prefix}_max_hosted_call_amount`]: maxHostedCallNano === undefined ? "" : formatCredits(maxHostedCallNano),
  };
}
