import type { Clock } from "../base/clock.ts";
import { FieldChecker } from "../base/fields.ts";
import { type Payer, PLATFORM_ACCOUNT, type Provider } from "../base/provider.ts";
import type { Catalogue } from "./catalogue.ts";
import { decide } from "./decide.ts";
import type { Candidate, RouteRefusalReason } from "./decision.ts";
import { checkEstimate, type Estimate } from "./hold-request.ts";
import { checkModelAndPin, type NamedPin } from "./model-name.ts";
import type { KeyDirectory, ModelLists, PolicyDirectory } from "./ports.ts";
import { warmModelIds } from "./warm-model-ids.ts";

/** What explaining a route needs: neither an opener nor a release log, so no credential can leave this way. */
export interface ExplainRouteDeps {
  readonly keys: KeyDirectory;
  readonly policyDirectory: Pick<PolicyDirectory, "policyOf">;
  readonly modelLists: Pick<ModelLists, "warm" | "of">;
  readonly catalogue: Catalogue;
  readonly clock: Pick<Clock, "nowMs">;
}

/** A call whose route is to be explained. */
export interface ExplainRouteInput {
  readonly account: string;
  /** Empty: no agent in particular. */
  readonly agent: string;
  readonly model: string;
  readonly pin?: NamedPin;
  readonly estimate: Estimate;
}

/** How a call would go: chosen, or refused with the reason that ResolveRoute would give. Whether credits suffice is not looked at. */
export type RouteExplanation = { readonly candidates: readonly Candidate[] } & (
  | { readonly kind: "route"; readonly payer: Payer; readonly provider: Provider; readonly upstreamModel: string }
  | { readonly kind: "refused"; readonly refusal: RouteRefusalReason }
);

/** Every way in which a call could go, with its verdict. Throws FIELDS_INVALID. */
export async function explainRoute(deps: ExplainRouteDeps, input: ExplainRouteInput): Promise<RouteExplanation> {
  const fields = new FieldChecker();
  fields.id("account", input.account);
  fields.check(input.account !== PLATFORM_ACCOUNT, "account", "is reserved for plori's own keys and runs no agents");
  if (input.agent !== "") fields.id("agent", input.agent);
  const { model, pin } = checkModelAndPin(fields, input.model, input.pin);
  checkEstimate(fields, input.estimate);
  fields.done();
  const [keys, platformKeys, policy] = await Promise.all([
    deps.keys.keysOf(input.account),
    deps.keys.keysOf(PLATFORM_ACCOUNT),
    deps.policyDirectory.policyOf(input.account),
  ]);
  const decision = decide({
    model,
    pin,
    keys,
    platformKeys,
    modelLists: warmModelIds(deps.modelLists, input.account, keys) ?? (await deps.modelLists.of(input.account)),
    policy,
    catalogue: deps.catalogue,
    nowMs: deps.clock.nowMs(),
    everyCandidate: true,
  });
  if (decision.kind === "route") {
    const { payer, provider, upstreamModel, candidates } = decision;
    return { kind: "route", payer, provider, upstreamModel, candidates };
  }
  if (decision.kind === "refused")
    return { kind: "refused", refusal: decision.reason, candidates: decision.candidates };
  throw new Error("a decision with the platform's keys is final");
}
