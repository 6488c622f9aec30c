import { MAX_NANO } from "../base/credits.ts";
import type { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import { PROVIDERS, type Provider } from "../base/provider.ts";
import type { RoutingPolicy } from "./decision.ts";
import { type NamedPin, parseModelName } from "./model-name.ts";
import type { ModelPin, PolicyChoices } from "./ports.ts";

/** A provider as a policy can name it; `undefined` is the enum's zero. */
type Named = NamedPin | undefined;

/** What a policy may choose, as a request can say it. */
export interface WantedChoices {
  readonly providerOrder: readonly Named[];
  readonly pins: readonly { readonly model: string; readonly provider: Named }[];
  readonly onKeyFailure: RoutingPolicy["onKeyFailure"] | "unspecified" | "unknown";
  /** In nano-credits; "invalid": no amount at all. Absent: no cap. */
  readonly maxHostedCallNano: bigint | "invalid" | undefined;
}

/** What of a policy can be changed by itself: the paths of an update mask. */
export const POLICY_FIELDS = ["provider_order", "pins", "on_key_failure", "max_hosted_call_amount"] as const;

/** A field of a policy. */
export type PolicyField = (typeof POLICY_FIELDS)[number];

/** The fields that a mask names, with what is wrong with it noted; all of them for an empty mask and for `*`. */
export function checkMask(fields: FieldChecker, paths: readonly string[]): ReadonlySet<PolicyField> {
  if (paths.length === 0 || (paths.length === 1 && paths[0] === "*")) return new Set(POLICY_FIELDS);
  const named = POLICY_FIELDS.filter((field) => paths.includes(field));
  const areKnown = paths.every((path) => POLICY_FIELDS.some((field) => field === path));
  fields.check(areKnown, "update_mask", `may name ${POLICY_FIELDS.join(", ")}, or be empty or *`);
  return new Set(named);
}

/** Notes what is wrong with the masked choices, under `routing_policy`. Returns what is right among them, which is only good when nothing was noted. */
export function checkChoices(
  fields: FieldChecker,
  wanted: WantedChoices,
  mask: ReadonlySet<PolicyField>,
): Partial<PolicyChoices> & { readonly isUncapped: boolean } {
  const order = mask.has("provider_order") ? checkOrder(fields, wanted.providerOrder) : undefined;
  const pins = mask.has("pins") ? checkPins(fields, wanted.pins) : undefined;
  const onKeyFailure = mask.has("on_key_failure") ? checkOnKeyFailure(fields, wanted.onKeyFailure) : undefined;
  const cap = wanted.maxHostedCallNano;
  const isCapMeant = mask.has("max_hosted_call_amount");
  const isCapRight = cap === undefined || (cap !== "invalid" && cap > 0n && cap <= MAX_NANO);
  if (isCapMeant)
    fields.check(isCapRight, "routing_policy.max_hosted_call_amount", "must be more than 0 credits, or absent: no cap");
  return {
    ...(order === undefined ? {} : { providerOrder: order }),
    ...(pins === undefined ? {} : { pins }),
    ...(onKeyFailure === undefined ? {} : { onKeyFailure }),
    ...(isCapMeant && typeof cap === "bigint" ? { maxHostedCallNano: cap } : {}),
    isUncapped: isCapMeant && cap === undefined,
  };
}

function checkOrder(fields: FieldChecker, named: readonly Named[]): readonly Provider[] {
  const path = "routing_policy.provider_order";
  const order: Provider[] = [];
  // One more than there are: then one stands twice.
  for (const [index, one] of named.slice(0, PROVIDERS.length + 1).entries()) {
    const provider = checkProvider(fields, `${path}[${index}]`, one);
    if (provider === undefined) continue;
    fields.check(!order.includes(provider), `${path}[${index}]`, "stands in the order twice");
    order.push(provider);
  }
  return order;
}

function checkPins(
  fields: FieldChecker,
  wanted: readonly { readonly model: string; readonly provider: Named }[],
): readonly ModelPin[] {
  const path = "routing_policy.pins";
  const max = LIMITS.policyPinsMax;
  fields.check(wanted.length <= max, path, `must hold at most ${max} pins`);
  const pins = new Map<string, ModelPin>();
  for (const [index, { model, provider: named }] of wanted.slice(0, max).entries()) {
    const at = `${path}[${index}]`;
    fields.text(`${at}.model`, model, 1, LIMITS.modelMaxChars);
    const provider = checkProvider(fields, `${at}.provider`, named);
    fields.check(!pins.has(model), `${at}.model`, "is pinned twice");
    const { id, qualifiedBy } = parseModelName(model.slice(0, LIMITS.modelMaxChars));
    fields.check(model === "" || id !== "", `${at}.model`, "must name a model after the provider");
    fields.check(
      provider === undefined || qualifiedBy === undefined || qualifiedBy === provider,
      `${at}.provider`,
      "must be the provider that the model is qualified by",
    );
    if (provider !== undefined) pins.set(model, { model, provider });
  }
  return [...pins.values()];
}

function checkProvider(fields: FieldChecker, field: string, named: Named): Provider | undefined {
  fields.check(named !== "anthropic", field, "cannot be ANTHROPIC: name OPENROUTER for Claude");
  fields.check(named !== undefined && named !== "unknown", field, "must be a provider that is known");
  return named === undefined || named === "anthropic" || named === "unknown" ? undefined : named;
}

/** Nothing said is STOP: no bill is ever moved by an omission. */
function checkOnKeyFailure(
  fields: FieldChecker,
  wanted: WantedChoices["onKeyFailure"],
): PolicyChoices["onKeyFailure"] | undefined {
  fields.check(wanted !== "unknown", "routing_policy.on_key_failure", "must be STOP, OTHER_KEYS or CREDITS");
  if (wanted === "unknown") return undefined;
  return wanted === "unspecified" ? "STOP" : wanted;
}
