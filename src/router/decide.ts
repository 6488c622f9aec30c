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

/** What the account's own keys lead to. */
interface OwnKeys<K extends KeyStanding> {
  /** The call is settled: routed, or refused whatever else there is. */
  settled?: RouteDecision<K> | RouteRefusal;
  /** The first key that would serve and cannot, where the policy allows to go on. */
  trouble?: RouteRefusal;
}

/**
 * Decides who serves a call and who pays for it. Pure: the same input always gives the same decision. The name decides the provider (R7): a
 * native key serves its own provider's models, an OpenRouter key every model that has no native key of its own, hosted credits the rest. A key
 * that would serve but cannot follows the policy; a key that we cannot open refuses under every policy, since our fault is never the user's bill.
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
  const own: OwnKeys<K> = {};
  for (const provider of PROVIDER_ORDER) {
    if (own.settled !== undefined && !input.everyCandidate) break;
    const key = input.keys.find((held) => held.provider === provider);
    const listed = input.modelLists?.get(provider);
    const upstreamModel = upstreamIdAt(provider, input.model, known, listed, input.pin === provider);
    // Neither a key nor the model: that is no way in which the call could go.
    if (key === undefined && upstreamModel === "") continue;
    const name = key === undefined ? "" : keyName(key.account, key.keyId);
    const candidate = { provider, payer: "BYOK", key: name, upstreamModel } as const;
    const closed = whyClosed(provider, only, key, upstreamModel);
    if (key === undefined || closed !== undefined) {
      candidates.push({ ...candidate, verdict: "SKIPPED", reason: closed ?? "NO_KEY" });
    } else {
      candidates.push({ ...candidate, ...weighKey(input, known, key, upstreamModel, own, candidates) });
    }
  }
  return own;
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

/** The verdict on a key that serves the model; notes in `own` what follows from it. */
function weighKey<K extends KeyStanding>(
  { model, pin, policy, nowMs, heldBack }: DecideInput<K>,
  known: CatalogueModel | undefined,
  key: K,
  upstreamModel: string,
  own: OwnKeys<K>,
  candidates: readonly Candidate[],
): Pick<Candidate, "verdict" | "reason"> {
  const { provider } = key;
  const catalogued = known === undefined ? {} : { model: known };
  const held = keyTrouble(key, upstreamModel, nowMs, heldBack);
  if (held === undefined) {
    const reason = keyReason(model, pin, provider);
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
