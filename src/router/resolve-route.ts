import type { Clock } from "../base/clock.ts";
import { invariant, PloriError } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import type { MintId } from "../base/ids.ts";
import { LIMITS } from "../base/limits.ts";
import { PLATFORM_ACCOUNT } from "../base/provider.ts";
import type { Caller } from "../identity/roles.ts";
import { keyName } from "../keyvault/ports.ts";
import type { Catalogue } from "./catalogue.ts";
import { checkPlacement, notPlaced } from "./check-placement.ts";
import { decide } from "./decide.ts";
import type { RouteDecision, RoutingPolicy } from "./decision.ts";
import { checkEstimate, type Estimate, holdRequest } from "./hold-request.ts";
import { isTrial } from "./key-trouble.ts";
import { heldBackFor, type KeyWatch, trialCall } from "./key-watch.ts";
import { checkModelAndPin, type ModelAndPin, type NamedPin } from "./model-name.ts";
import type {
  CredentialOpener,
  EndpointOf,
  KeyDirectory,
  ModelLists,
  Placement,
  PlacementStore,
  PolicyDirectory,
  Release,
  Released,
  ReleaseLog,
  RoutableKey,
} from "./ports.ts";
import { routeRefusalError } from "./refusal-message.ts";
import type { ResolveLimits } from "./resolve-limits.ts";
import type { RevocationNews } from "./revocation-ports.ts";
import type { Route } from "./route.ts";
import { warmModelIds } from "./warm-model-ids.ts";

/** What resolving a route needs. */
export interface ResolveRouteDeps {
  readonly placements: Pick<PlacementStore, "find">;
  readonly keys: KeyDirectory;
  readonly policyDirectory: PolicyDirectory;
  /** Throws RATE_LIMITED when the host, or the account's share of it, asks too fast. */
  readonly resolveLimits: ResolveLimits;
  readonly modelLists: Pick<ModelLists, "warm" | "of">;
  readonly opener: CredentialOpener;
  readonly releaseLog: ReleaseLog;
  readonly revocationNews: Pick<RevocationNews, "mark">;
  readonly endpointOf: EndpointOf;
  readonly keyWatch: KeyWatch;
  readonly catalogue: Catalogue;
  readonly clock: Pick<Clock, "nowMs">;
  readonly mintId: MintId;
}

/** A model call that wants a route. */
export interface ResolveRouteInput {
  readonly account: string;
  readonly agent: string;
  readonly model: string;
  /** Only this provider's key will do. */
  readonly pin?: NamedPin;
  readonly callId: string;
  readonly estimate: Estimate;
}

/**
 * Where and how an agent's model call goes, with the credential: the only way on which one leaves. Placement comes before anything that could
 * tell what exists; the release is durable before this resolves; whatever fails after the credential was opened wipes it.
 *
 * Throws RATE_LIMITED, FIELDS_INVALID, AGENT_NOT_PLACED, MODEL_UNKNOWN, PIN_WITHOUT_KEY, the KEY_… reasons, PROVIDER_UNREACHABLE (no platform key works
 * now), and what the opener and the release log throw.
 */
export async function resolveRoute(deps: ResolveRouteDeps, input: ResolveRouteInput, caller: Caller): Promise<Route> {
  // Before anything else: whatever a host sends costs it a token.
  deps.resolveLimits.takeHost(caller.name);
  const wanted = checkInput(input);
  const nowMs = deps.clock.nowMs();
  const mark = deps.revocationNews.mark(caller.name);
  const check = await checkPlacement(deps.placements, input, caller, nowMs);
  if (check.kind === "not-placed") throw denied(deps, input, caller, nowMs);
  // Not before: a host must not use up what is an account's, or learn that there is one, without running an agent of it.
  deps.resolveLimits.takeAccount(input.account, caller.name);
  const { policyDirectory } = deps;
  const policy = policyDirectory.warmPolicyOf(input.account) ?? (await policyDirectory.policyOf(input.account));
  const decision = await decideWith(deps, input, wanted, policy, caller, nowMs);
  try {
    return await releaseWith(deps, input, caller, check.placement, policy, decision, nowMs, mark);
  } catch (error) {
    // No call was made, so the next one may try the key.
    const { key } = decision;
    if (isTrial(key, nowMs)) deps.keyWatch.trials.release(key, trialCall(caller.name, input.callId));
    throw error;
  }
}

async function releaseWith(
  deps: ResolveRouteDeps,
  input: ResolveRouteInput,
  caller: Caller,
  placement: Placement,
  policy: RoutingPolicy,
  decision: RouteDecision<RoutableKey>,
  nowMs: number,
  mark: number,
): Promise<Route> {
  const { key } = decision;
  const credential = deps.opener.openWarm(key) ?? (await deps.opener.open(key));
  try {
    const release = describeRelease(deps, input, caller, placement, policy, decision, nowMs);
    const released = await deps.releaseLog.release(release);
    // A revocation that was committed since the decision may be about this very route and have gone out already: then it is no lease, but serves its one call.
    const isLease = release.reuseUntilMs > release.timeMs && deps.revocationNews.mark(caller.name) === mark;
    return {
      ...describeRoute(deps, decision, release, released, isLease),
      credential,
    };
  } catch (error) {
    credential.wipe();
    // The call id is another host's: to the caller that looks like every other denial.
    if (error instanceof PloriError && error.reason === "AGENT_NOT_PLACED") throw denied(deps, input, caller, nowMs);
    throw error;
  }
}

function checkInput({ account, agent, model, pin, callId, estimate }: ResolveRouteInput): ModelAndPin {
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.id("agent", agent);
  const wanted = checkModelAndPin(fields, model, pin);
  fields.externalId("call_id", callId);
  checkEstimate(fields, estimate);
  fields.done();
  return wanted;
}

function denied(deps: ResolveRouteDeps, input: ResolveRouteInput, caller: Caller, nowMs: number): PloriError {
  const error = notPlaced();
  deps.releaseLog.denied({
    timeMs: nowMs,
    caller: caller.spiffeId,
    account: input.account,
    agent: input.agent,
    reason: error.reason,
  });
  return error;
}

async function decideWith(
  deps: ResolveRouteDeps,
  input: ResolveRouteInput,
  { model, pin }: ModelAndPin,
  policy: RoutingPolicy,
  caller: Caller,
  nowMs: number,
): Promise<RouteDecision<RoutableKey>> {
  const { account } = input;
  const keys = await deps.keys.keysOf(account);
  const facts = {
    model,
    pin,
    keys,
    modelLists: warmModelIds(deps.modelLists, account, keys) ?? (await deps.modelLists.of(account)),
    host: caller.name,
    heldBack: heldBackFor(deps.keyWatch, caller.name, input.callId, nowMs),
    policy,
    catalogue: deps.catalogue,
    nowMs,
    everyCandidate: false,
  };
  let decision = decide<RoutableKey>({ ...facts, platformKeys: undefined });
  if (decision.kind === "needs-platform-keys") {
    decision = decide<RoutableKey>({ ...facts, platformKeys: await deps.keys.keysOf(PLATFORM_ACCOUNT) });
  }
  if (decision.kind === "refused") throw routeRefusalError(decision, input.model, deps.catalogue, nowMs);
  invariant(decision.kind === "route", "a decision with the platform's keys is final");
  // At once: between the decision and the claim no other call may decide.
  const { key } = decision;
  if (isTrial(key, nowMs)) deps.keyWatch.trials.take(key, trialCall(caller.name, input.callId), nowMs);
  return decision;
}

function describeRelease(
  deps: ResolveRouteDeps,
  input: ResolveRouteInput,
  caller: Caller,
  placement: Placement,
  { maxHostedCallNano }: RoutingPolicy,
  decision: RouteDecision<RoutableKey>,
  nowMs: number,
): Release {
  const { key, model, payer, provider, upstreamModel, reason } = decision;
  const release = {
    routeId: deps.mintId(),
    timeMs: nowMs,
    caller: caller.spiffeId,
    host: caller.name,
    account: input.account,
    agent: input.agent,
    callId: input.callId,
    provider,
    model: input.model,
    upstreamModel,
    canonicalModel: model?.id ?? "",
    payer,
    keyAccount: key.account,
    keyId: key.keyId,
    keyVersion: key.version,
    reason,
  };
  // A trial is one call; a lease would be many.
  if (payer === "BYOK" && isTrial(key, nowMs)) return { ...release, reuseUntilMs: nowMs };
  // A lease never outlives the placement that it rests on.
  if (payer === "BYOK") return { ...release, reuseUntilMs: Math.min(nowMs + LIMITS.byokReuseMs, placement.expireMs) };
  invariant(model?.hosting !== undefined, "a hosted model has a size");
  const hold = holdRequest(deps.mintId(), input.estimate, model.hosting, maxHostedCallNano);
  return { ...release, reuseUntilMs: nowMs, hold };
}

function describeRoute(
  deps: ResolveRouteDeps,
  { key, payer, provider, upstreamModel, reason, candidates }: RouteDecision<RoutableKey>,
  release: Release,
  { hold, priceVersion }: Released,
  isLease: boolean,
): Omit<Route, "credential"> {
  const { baseUrl, credentialHeader, credentialPrefix, headers } = deps.endpointOf(provider);
  const common = {
    routeId: release.routeId,
    provider,
    baseUrl,
    credentialHeader,
    credentialPrefix,
    headers,
    upstreamModel,
    payer,
    keyVersion: key.version,
    priceVersion: priceVersion === 0 ? "" : `priceVersions/${priceVersion}`,
    reason,
    candidates,
  };
  if (payer === "BYOK") {
    return {
      ...common,
      keyName: keyName(key.account, key.keyId),
      maxOutputTokens: 0n,
      ...(isLease ? { reuseUntilMs: release.reuseUntilMs } : {}),
    };
  }
  invariant(hold !== undefined, "a hosted release comes with a hold");
  const name = `accounts/${release.account}/holds/${hold.holdId}`;
  const { amountNano, expireMs, maxOutputTokens, outputLimit } = hold;
  const limited = outputLimit === undefined ? {} : { outputLimit };
  return { ...common, keyName: "", hold: { name, amountNano, expireMs }, maxOutputTokens, ...limited };
}
