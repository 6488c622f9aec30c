import type { Payer, Provider } from "../base/provider.ts";
import type { CatalogueModel } from "./catalogue/catalogue-model.ts";
import type { RoutableKey } from "./ports.ts";

/** Why a key that would serve the model cannot serve it now. */
export type KeyTrouble = "KEY_DEAD" | "KEY_EXHAUSTED" | "KEY_BLOCKED" | "KEY_UNREADABLE" | "KEY_RATE_LIMITED";

/** Why a candidate got its verdict: the words of `plori.router.v1.RouteReason`. */
export type RouteReason =
  | "PINNED_BY_REQUEST"
  | "QUALIFIED"
  | "NATIVE_KEY"
  | "OPENROUTER_KEY"
  | "HOSTED"
  | "NO_KEY"
  | "MODEL_NOT_SERVED"
  | "NOT_HOSTED"
  | "NO_PLATFORM_KEY"
  | "OTHER_PROVIDER_PINNED"
  | "OWN_KEY_FIRST"
  | "PINNED_BY_POLICY"
  | "POLICY_PIN_WITHOUT_KEY"
  | KeyTrouble;

/** What became of a candidate: the words of `plori.router.v1.Verdict`. */
export type CandidateVerdict = "CHOSEN" | "SKIPPED" | "REFUSED" | "NOT_NEEDED";

/** One way in which a call could go. */
export interface Candidate {
  /** Absent: plori's hosted credits in general, when no provider would serve the model for them. */
  readonly provider?: Provider;
  readonly payer: Payer;
  /** The resource name of the account's key; empty when there is none, or when it is ours. */
  readonly key: string;
  /** Empty when the provider does not know the model. */
  readonly upstreamModel: string;
  readonly verdict: CandidateVerdict;
  readonly reason: RouteReason;
}

/** What the decision needs to know of a key. */
export type KeyStanding = Pick<
  RoutableKey,
  "account" | "keyId" | "provider" | "state" | "stateUntilMs" | "modelLimits" | "hosts"
>;

/** Why a key cannot serve a model now, and until when, in milliseconds since the epoch, if that is known. */
export interface Held {
  readonly trouble: KeyTrouble;
  readonly untilMs?: number;
}

/**
 * What this process alone knows against a key that its standing does not tell: that another call tries it, or what the calling host met with it. A fixed
 * answer for a key and model as long as one decision takes.
 */
export type HeldBack<K> = (key: K, upstreamModel: string) => Held | undefined;

/** Why a call is refused: words of the error reasons. */
export type RouteRefusalReason = "MODEL_UNKNOWN" | "PIN_WITHOUT_KEY" | "PROVIDER_UNREACHABLE" | KeyTrouble;

/** The decision to send the call somewhere. */
export interface RouteDecision<K extends KeyStanding> {
  readonly kind: "route";
  readonly payer: Payer;
  readonly provider: Provider;
  /** The id to send, verbatim. */
  readonly upstreamModel: string;
  readonly key: K;
  readonly reason: RouteReason;
  /** What the catalogue knows of the model; always there on hosted routes. */
  readonly model?: CatalogueModel;
  readonly candidates: readonly Candidate[];
}

/** The decision to refuse the call. */
export interface RouteRefusal {
  readonly kind: "refused";
  readonly reason: RouteRefusalReason;
  /** The provider that it is about. */
  readonly provider?: Provider;
  /** When a retry may help, in milliseconds since the epoch. */
  readonly retryAtMs?: number;
  readonly model?: CatalogueModel;
  readonly candidates: readonly Candidate[];
}

/** What became of a call; `needs-platform-keys`: decide again with them, the account's own keys do not settle it. */
export type Decision<K extends KeyStanding> =
  | RouteDecision<K>
  | RouteRefusal
  | { readonly kind: "needs-platform-keys" };

/** What an account wants done with its calls. */
export interface RoutingPolicy {
  /** When a key of its own that would serve cannot: STOP refuses; OTHER_KEYS tries the account's next key; CREDITS also falls to hosted credits. */
  readonly onKeyFailure: "STOP" | "OTHER_KEYS" | "CREDITS";
  /** Every provider, in the order in which the account's own keys are considered. Absent: `PROVIDER_ORDER`. */
  readonly order?: readonly Provider[];
  /** By a model's canonical id, or by its name as calls spell it: the provider whose key serves it. Absent: none. */
  readonly pins?: ReadonlyMap<string, Provider>;
  /** The most nano-credits that are set aside for one hosted call; the decision does not look at it. Absent: no cap. */
  readonly maxHostedCallNano?: bigint;
}

/** The policy of accounts that chose none: nothing is ever paid from elsewhere in silence. */
export const DEFAULT_POLICY: RoutingPolicy = { onKeyFailure: "STOP" };
