import type { Provider } from "../base/provider.ts";
import { keyName } from "../keyvault/ports.ts";
import type { CatalogueModel } from "./catalogue/catalogue-model.ts";
import type { Catalogue } from "./catalogue.ts";
import { decideHosted } from "./decide-hosted.ts";
import type {
  Candidate,
  Decision,
  HeldBack,
  KeyStanding,
  RouteDecision,
  RouteReason,
  RouteRefusal,
  RoutingPolicy,
} from "./decision.ts";
import { keyTrouble } from "./key-trouble.ts";
import type { ModelName } from "./model-name.ts";
import { PROVIDER_ORDER } from "./provider-order.ts";
import { upstreamIdAt } from "./upstream-id.ts";

/** Everything that a route depends on. */
export interface DecideInput<K extends KeyStanding> {
  readonly model: ModelName;
  /** Only this provider's key will do. Agrees with the model's qualification, if there is one. */
  readonly pin: Provider | undefined;
  /** The account's keys, at most one per provider. */
  readonly keys: readonly K[];
  /** plori's own keys; absent as long as nobody looked them up. */
  readonly platformKeys: readonly K[] | undefined;
  /** The model ids that the account's keys may use, as far as their providers told. */
  readonly modelLists?: ReadonlyMap<Provider, ReadonlySet<string>>;
  /** What this process alone knows against keys. */
  readonly heldBack?: HeldBack<K> | undefined;
  /** The calling host; absent: any. plori's own keys may be bound to hosts. */
  readonly host?: string;
  readonly policy: RoutingPolicy;
  readonly catalogue: Pick<Catalogue, "find">;
  readonly nowMs: number;
  /** Whether every candidate is wanted, or only those up to the chosen one. */
  readonly everyCandidate: boolean;
}

/** What the account's own keys lead to, as far as they were weighed. */
interface OwnKeys<K extends KeyStanding> {
  readonly input: DecideInput<K>;
  /** The only provider that the request allows. */
  readonly only: Provider | undefined;
  /** The provider to which the policy pins the model. */
  readonly favoured: Provider | undefined;
  readonly known: CatalogueModel | undefined;
  readonly candidates: Candidate[];
  /** The call is settled: routed, or refused whatever else there is. */
  settled?: RouteDecision<K> | RouteRefusal;
  /** The first key that would serve and cannot, where the policy allows to go on. */
  trouble?: RouteRefusal;
}

/**
 * Decides who serves a call and who pays for it. Pure: the same input always gives the same decision. The name decides the provider (R7): a
 * native key serves its own provider's models, an OpenRouter key every model that has no native key of its own, hosted credits the rest; the account's
 * policy may put its keys in another order, or pin a model to one of them. What the request itself names goes before the policy. A key that would serve
 * but cannot follows the policy; a key that we cannot open refuses under every policy, since our fault is never the user's bill.
 */
export function decide<K extends KeyStanding>(input: DecideInput<K>): Decision<K> {
  const { model, pin, policy, everyCandidate } = input;
  const only = pin ?? model.qualifiedBy;
  const known = model.qualifiedBy === undefined ? input.catalogue.find(model.id) : undefined;
  const candidates: Candidate[] = [];
  const own = decideOwn(input, only, known, candidates);
  const ownHolds = own.settled !== undefined || (own.trouble !== undefined && policy.onKeyFailure !== "CREDITS");
  if (!ownHolds && only === undefined) {
    const hosted = decideHosted(input, known, candidates);
    return hosted.kind === "refused" ? (own.trouble ?? hosted) : hosted;
  }
  if (everyCandidate) candidates.push(unusedCredits(own.settled?.kind === "route", only, known));
  return own.settled ?? own.trouble ?? refusePinned(input.keys, only, known, candidates);
}

function decideOwn<K extends KeyStanding>(
  input: DecideInput<K>,
  only: Provider | undefined,
  known: CatalogueModel | undefined,
  candidates: Candidate[],
): OwnKeys<K> {
  const favoured = only === undefined ? pinnedByPolicy(input, known) : undefined;
  const own: OwnKeys<K> = { input, only, favoured, known, candidates };
  if (favoured !== undefined) weighProvider(own, favoured);
  const order = input.policy.order ?? PROVIDER_ORDER;
  const isOpenRouterLast = order[order.length - 1] === "openrouter" || !isGuessedByOpenRouter(input, known);
  for (const provider of order) {
    if (provider === favoured || (provider === "openrouter" && !isOpenRouterLast)) continue;
    weighProvider(own, provider);
  }
  if (!isOpenRouterLast && favoured !== "openrouter") weighProvider(own, "openrouter");
  return own;
}

/** The provider to which the account's policy pins the model: by the name as it stands, or by the canonical id that it is a spelling of. */
function pinnedByPolicy<K extends KeyStanding>(
  { model, policy: { pins } }: DecideInput<K>,
  known: CatalogueModel | undefined,
): Provider | undefined {
  if (pins === undefined) return undefined;
  return pins.get(model.id) ?? (known === undefined ? undefined : pins.get(known.id));
}

/**
 * Whether OpenRouter would take the name for no better reason than that it takes every name. It knows models as `author/model`: a bare name that no list
 * knows is another provider's before it is OpenRouter's, wherever the account put its OpenRouter key.
 */
function isGuessedByOpenRouter<K extends KeyStanding>(
  { model, modelLists }: DecideInput<K>,
  known: CatalogueModel | undefined,
): boolean {
  if (known !== undefined || model.qualifiedBy !== undefined || model.id.includes("/")) return false;
  return modelLists?.get("openrouter")?.has(model.id) !== true;
}

/** Weighs what the account has of one provider, unless the call is settled and no more candidates are wanted. */
function weighProvider<K extends KeyStanding>(own: OwnKeys<K>, provider: Provider): void {
  const { input, only, favoured, known, candidates } = own;
  if (own.settled !== undefined && !input.everyCandidate) return;
  const key = input.keys.find((held) => held.provider === provider);
  const isFavoured = provider === favoured;
  const listed = input.modelLists?.get(provider);
  const upstreamModel = upstreamIdAt(provider, input.model, known, listed, input.pin === provider || isFavoured);
  // Neither a key nor the model: that is no way in which the call could go. But a pin that is passed over is always told.
  if (key === undefined && upstreamModel === "" && !isFavoured) return;
  const name = key === undefined ? "" : keyName(key.account, key.keyId);
  const candidate = { provider, payer: "BYOK", key: name, upstreamModel } as const;
  const closed = whyClosed(provider, only, key, upstreamModel);
  if (key === undefined || closed !== undefined) {
    const reason = key === undefined && isFavoured ? "POLICY_PIN_WITHOUT_KEY" : (closed ?? "NO_KEY");
    candidates.push({ ...candidate, verdict: "SKIPPED", reason });
  } else {
    const why = isFavoured ? "PINNED_BY_POLICY" : keyReason(input.model, input.pin, provider);
    candidates.push({ ...candidate, ...weighKey(own, key, upstreamModel, why) });
  }
}

/** Why a provider is out of the question for the call, whatever its key's state; undefined when it is not. */
function whyClosed(
  provider: Provider,
  only: Provider | undefined,
  key: KeyStanding | undefined,
  upstreamModel: string,
): RouteReason | undefined {
  if (only !== undefined && only !== provider) return "OTHER_PROVIDER_PINNED";
  if (key === undefined) return "NO_KEY";
  return upstreamModel === "" ? "MODEL_NOT_SERVED" : undefined;
}

/** The verdict on a key that serves the model, and that is chosen for `reason` if it can; notes in `own` what follows from it. */
function weighKey<K extends KeyStanding>(
  own: OwnKeys<K>,
  key: K,
  upstreamModel: string,
  reason: RouteReason,
): Pick<Candidate, "verdict" | "reason"> {
  const { input, known, candidates } = own;
  const { policy, nowMs, heldBack } = input;
  const { provider } = key;
  const catalogued = known === undefined ? {} : { model: known };
  const held = keyTrouble(key, upstreamModel, nowMs, heldBack);
  if (held === undefined) {
    if (own.settled !== undefined) return { verdict: own.settled.kind === "route" ? "NOT_NEEDED" : "SKIPPED", reason };
    own.settled = { kind: "route", payer: "BYOK", provider, upstreamModel, key, reason, candidates, ...catalogued };
    return { verdict: "CHOSEN", reason };
  }
  const { trouble, untilMs } = held;
  if (own.settled !== undefined) return { verdict: "SKIPPED", reason: trouble };
  const retry = trouble === "KEY_RATE_LIMITED" && untilMs !== undefined ? { retryAtMs: untilMs } : {};
  const refusal: RouteRefusal = { kind: "refused", reason: trouble, provider, candidates, ...catalogued, ...retry };
  if (policy.onKeyFailure === "STOP" || trouble === "KEY_UNREADABLE") {
    own.settled = refusal;
    return { verdict: "REFUSED", reason: trouble };
  }
  own.trouble ??= refusal;
  return { verdict: "SKIPPED", reason: trouble };
}

function keyReason(model: ModelName, pin: Provider | undefined, provider: Provider): RouteReason {
  if (model.qualifiedBy !== undefined) return "QUALIFIED";
  if (pin !== undefined) return "PINNED_BY_REQUEST";
  return provider === "openrouter" ? "OPENROUTER_KEY" : "NATIVE_KEY";
}

/** What is said about hosted credits when nobody had to look whether they would serve. */
function unusedCredits(routed: boolean, only: Provider | undefined, known: CatalogueModel | undefined): Candidate {
  return {
    payer: "HOSTED",
    key: "",
    upstreamModel: "",
    verdict: routed && only === undefined && known?.hosting !== undefined ? "NOT_NEEDED" : "SKIPPED",
    reason: only === undefined ? "OWN_KEY_FIRST" : "OTHER_PROVIDER_PINNED",
  };
}

/** A pinned call has no key to go to: there is none, or its provider does not serve the model. */
function refusePinned(
  keys: readonly KeyStanding[],
  only: Provider | undefined,
  known: CatalogueModel | undefined,
  candidates: readonly Candidate[],
): RouteRefusal {
  const held = keys.some(({ provider }) => provider === only);
  return {
    kind: "refused",
    reason: held ? "MODEL_UNKNOWN" : "PIN_WITHOUT_KEY",
    candidates,
    ...(only === undefined ? {} : { provider: only }),
    ...(known === undefined ? {} : { model: known }),
  };
}
