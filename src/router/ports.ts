import type { Mutation, RequestKey } from "../audit/mutation.ts";
import type { Payer, Provider } from "../base/provider.ts";
import type { Secret } from "../base/secret.ts";
import type { KeyRecord, KeyRef } from "../keyvault/ports.ts";
import type { ListedModel } from "../providers/read-model-list.ts";
import type { RoutingPolicy } from "./decision.ts";

/** A key as the router sees it: whether it can serve, and what is needed to open it. */
export interface RoutableKey {
  readonly account: string;
  readonly keyId: string;
  readonly provider: Provider;
  readonly version: number;
  readonly state: "ACTIVE" | "UNVERIFIED" | "RATE_LIMITED" | "EXHAUSTED" | "BLOCKED" | "DEAD" | "UNREADABLE";
  /** Until when the state holds; absent: until something changes it. */
  readonly stateUntilMs?: number;
  /** Until when the provider limits the rate of which of its models; "" stands for all of them. Absent: a rate limited key is limited as a whole. */
  readonly modelLimits?: Readonly<Record<string, number>>;
  /** plori's own keys: the hosts that alone may get it. Absent: any. */
  readonly hosts?: readonly string[];
  readonly sealed: { readonly dataKeyId: string; readonly dataKeyVersion: number; readonly bytes: Uint8Array };
}

/** The keys of accounts. Cached by its adapter and never staler than the last acknowledged change. */
export interface KeyDirectory {
  /** Every key of the account, ordered by key id: at most one per provider, but several of plori's own; empty for an unknown account. */
  keysOf(account: string): Promise<readonly RoutableKey[]>;
}

/** Opens keys. */
export interface CredentialOpener {
  /** The credential. The receiver wipes it. Throws KMS_UNAVAILABLE, KEY_UNREADABLE or RECORD_CORRUPT. */
  open(key: RoutableKey): Promise<Secret>;
  /** As `open`, without waiting, when everything needed is warm; undefined when `open` must be asked. */
  openWarm(key: RoutableKey): Secret | undefined;
}

/** Where and how a provider is called. */
export interface ProviderEndpoint {
  /** Without a trailing slash; `/chat/completions` is appended to it. */
  readonly baseUrl: string;
  /** The header that carries the credential, and what stands before the credential in it. */
  readonly credentialHeader: string;
  readonly credentialPrefix: string;
  /** Further headers to send. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Tells where and how a provider is called: from our own provider table or the operator's override, never from a caller or the database. */
export type EndpointOf = (provider: Provider) => ProviderEndpoint;

/** That an agent runs on a host. */
export interface Placement {
  readonly account: string;
  readonly agent: string;
  readonly host: string;
  readonly generation: bigint;
  readonly expireMs: number;
}

/** Names an agent whose placement ends; generation 0: whatever it is. */
export interface AgentRef {
  readonly account: string;
  readonly agent: string;
  readonly generation: bigint;
}

/** Names an agent. */
export type AgentName = Pick<Placement, "account" | "agent">;

/** Which placements are wanted. An absent field does not narrow. */
export interface PlacementFilter {
  readonly account?: string;
  readonly host?: string;
  readonly agent?: string;
  /** Only those that end after this time, in milliseconds since the Unix epoch. */
  readonly endsAfterMs?: number;
}

/** A part of a list of placements. */
export interface PlacementList {
  readonly placements: readonly Placement[];
  /** The next part begins after it. Absent: there is nothing more. */
  readonly next?: AgentName;
}

/** Which agents run where. Cached by its adapter and never staler than the last acknowledged change. */
export interface PlacementStore {
  /** Where the agent is placed, expired or not. One whose placement was removed is undefined, or given as expired. */
  find(account: string, agent: string): Promise<Placement | undefined>;
  /**
   * Placements that meet the filter, ordered by account and then agent, at most `limit` of them, those after `after` if it is given. What it costs does not grow with
   * the number of placements: a part may hold fewer than asked for, even none, although more follow.
   */
  list(filter: PlacementFilter, limit: number, after: AgentName | undefined): Promise<PlacementList>;
  /**
   * Places all or none, durably, in one transaction with the mutation. A higher generation moves the agent, the same one from the same host renews;
   * anything else throws STALE_GENERATION (metadata: `account`, `agent`, `generation` of the first stale one, `stale_count`). Leases of agents that moved away,
   * and those that would outlive a placement whose end was moved up, are revoked in the same transaction (`RevocationLog`). Compute is never free: while one
   * of the accounts owes more than `overdraftLimitNano` nano-credits, at that very moment, it throws CREDITS_EXHAUSTED, see `pastOverdraftLimit`.
   */
  place(
    placements: readonly Placement[],
    overdraftLimitNano: bigint,
    mutation: Mutation,
  ): Promise<readonly Placement[]>;
  /** The answer that `place` gave before under this request id, or undefined. Throws REQUEST_ID_CONFLICT. */
  findAnswer(request: RequestKey): Promise<readonly Placement[] | undefined>;
  /**
   * Ends the placements that are not newer than asked for. Returns how many ended: expired ones had ended already. The generation stays
   * remembered, so that a late order of an older one does not place the agent again. The agents' leases are revoked in the same transaction.
   */
  remove(agents: readonly AgentRef[], mutation: Mutation): Promise<{ readonly removedCount: number }>;
}

/** A credential that is about to leave: the facts of its route. */
export interface Release {
  readonly routeId: string;
  readonly timeMs: number;
  /** The SPIFFE id of the host that asks, and the host's id. */
  readonly caller: string;
  readonly host: string;
  readonly account: string;
  readonly agent: string;
  readonly callId: string;
  readonly provider: Provider;
  /** The model as the agent named it. */
  readonly model: string;
  readonly upstreamModel: string;
  /** The catalogue's canonical id, empty when the catalogue does not know the model. Prices that name no provider go by it. */
  readonly canonicalModel: string;
  readonly payer: Payer;
  /** Whose key: the account itself, or the platform's account. */
  readonly keyAccount: string;
  readonly keyId: string;
  readonly keyVersion: number;
  /** Until when the route may be reused; equal to `timeMs` when it serves one call. */
  readonly reuseUntilMs: number;
  /** Why this way was chosen: a word of the router's closed set. */
  readonly reason: string;
  /** Hosted routes: how large a hold to place. */
  readonly hold?: HoldRequest;
}

/** How large a hosted call may get. */
export interface HoldRequest {
  /** The id that a new hold takes. */
  readonly holdId: string;
  /** Input tokens to assume: the estimate, at least the floor. */
  readonly inputTokens: bigint;
  /** The most output tokens: the estimate, or the model's maximum. */
  readonly maxOutputTokens: bigint;
  /** Below so many output tokens a call is not worth making. */
  readonly minOutputTokens: bigint;
  /** The most nano-credits that the hold may set aside, above 0. Absent: as many as the call may cost. */
  readonly capNano?: bigint;
}

/** What made a hold's output smaller than what was asked for: the account's credits, or the cap. */
export type OutputLimit = "CREDITS" | "SPEND_CAP";

/** What was recorded, and set aside. */
export interface Released {
  /** The price version that the route is pinned to; 0 when nothing was published yet. */
  readonly priceVersion: number;
  readonly hold?: {
    readonly holdId: string;
    readonly amountNano: bigint;
    readonly expireMs: number;
    readonly maxOutputTokens: bigint;
    /** Absent: nothing, it is what was asked for. */
    readonly outputLimit?: OutputLimit;
  };
}

/** Records that a credential leaves. */
export interface ReleaseLog {
  /**
   * Records the route and its audit, and for a hosted route the hold, in one transaction; resolves when all of it is durable. The credential must
   * not leave before. A hosted call id that has an open hold of this host with the same request gives that hold again.
   * A new hold never exceeds its cap; one that is open keeps its size.
   * Throws PRICE_NOT_FOUND, CREDITS_EXHAUSTED (metadata `available`, `required`), SPEND_CAP_TOO_LOW (metadata `cap`, `required`), TOO_MANY_HOLDS, CALL_SETTLED, REQUEST_ID_CONFLICT (same call id,
   * another payload), AGENT_NOT_PLACED (the call id is another host's), STORAGE_FULL, OVERLOADED, DRAINING.
   */
  release(release: Release): Promise<Released>;
  /** Records a refused release, without making anybody wait for it. */
  denied(denial: {
    readonly timeMs: number;
    readonly caller: string;
    readonly account: string;
    readonly agent: string;
    readonly reason: string;
  }): void;
}

/** A route that was released, as far as a report about it needs. */
export interface ReleasedRoute {
  readonly routeId: string;
  readonly account: string;
  readonly host: string;
  readonly callId: string;
  readonly payer: Payer;
  readonly provider: Provider;
  readonly upstreamModel: string;
  readonly keyAccount: string;
  readonly keyId: string;
  readonly keyVersion: number;
  readonly createMs: number;
}

/** Finds routes that were released. */
export interface RouteLog {
  /** The route with that id, or undefined. */
  find(routeId: string): Promise<ReleasedRoute | undefined>;
}

/** A key as a report finds it. */
export type ReportedKey = Pick<KeyRecord, "state" | "stateReason" | "stateUntilMs">;

/** What a host told about a key, in KeyVault's words; `trial`: by the call that tried an exhausted key again. */
export type ReportEvent =
  | { readonly kind: "reported-rate-limit"; readonly model: string; readonly retryAfterMs?: number }
  | { readonly kind: "reported-no-credit"; readonly reason: string; readonly trial: boolean }
  | { readonly kind: "reported-success"; readonly trial: boolean };

/** Who reported, and facts for the audit. */
export interface ReportCause {
  /** The SPIFFE id of the host. */
  readonly caller: string;
  readonly details: Readonly<Record<string, string>>;
}

/** What reports may do to keys. Each gives the key as it is then; undefined when that version is no longer there. May throw what the key store throws. */
export interface KeyReports {
  find(ref: KeyRef): Promise<ReportedKey | undefined>;
  /** Lets KeyVault draw its conclusion, durably. */
  note(ref: KeyRef, event: ReportEvent, cause: ReportCause): Promise<ReportedKey | undefined>;
  /** Has the provider asked about the key, and waits for the outcome; "not-probed" when that cannot be done now. */
  probe(ref: KeyRef, cause: ReportCause): Promise<ReportedKey | undefined | "not-probed">;
}

/** Sends the calls of one model to one provider. */
export interface ModelPin {
  readonly model: string;
  readonly provider: Provider;
}

/** What an account chose about its routes. */
export interface PolicyChoices {
  /** Providers without repeats; those that are missing follow in the default order. */
  readonly providerOrder: readonly Provider[];
  /** Each model once. */
  readonly pins: readonly ModelPin[];
  readonly onKeyFailure: RoutingPolicy["onKeyFailure"];
  /** Above 0. Absent: no cap. */
  readonly maxHostedCallNano?: bigint;
}

/** An account's policy as it is stored. */
export interface PolicyRecord extends PolicyChoices {
  readonly account: string;
  /** Counts the changes, from 1. */
  readonly revision: number;
  readonly updateMs: number;
}

/** Keeps accounts' policies. */
export interface PolicyStore {
  /** The account's policy; undefined when it has set none. */
  find(account: string): Promise<PolicyRecord | undefined>;
  /**
   * Replaces the account's policy durably, in one transaction with the mutation, to whose audit details it adds the policy before and after. `etag` must
   * be that of the policy as it stands; while the account has set none it may be empty too. Throws ETAG_MISMATCH (metadata `policy`, `etag`: the one that
   * it has), REQUEST_ID_CONFLICT.
   */
  put(account: string, choices: PolicyChoices, etag: string, mutation: Mutation): Promise<PolicyRecord>;
}

/** The policies that routes are decided by. Cached by its adapter and never staler than the last acknowledged change. */
export interface PolicyDirectory {
  /** The account's policy; the default for one that has set none. */
  policyOf(account: string): Promise<RoutingPolicy>;
  /** As `policyOf`, without waiting, when it is in memory. */
  warmPolicyOf(account: string): RoutingPolicy | undefined;
}

/** The ids of the models that an account's keys may use, by provider, as far as the providers told. It never changes; it is replaced. */
export type ModelIds = ReadonlyMap<Provider, ReadonlySet<string>>;

/** What is known of one key's models, for a person to pick from. */
export interface AccountModelList {
  readonly provider: Provider;
  /** PENDING: nobody has asked yet. FAILED: the provider gave no list when it was asked last; `models` are those that it gave before. */
  readonly state: "FETCHED" | "PENDING" | "FAILED";
  /** When `models` were fetched; absent: never. */
  readonly fetchedMs?: number;
  readonly models: readonly ListedModel[];
}

/** The models that providers listed for accounts' keys. Cached by its adapter and never staler than the last acknowledged change. */
export interface ModelLists {
  /** The account's model ids, if they are in memory. */
  warm(account: string): ModelIds | undefined;
  /** The account's model ids; empty for an unknown account. */
  of(account: string): Promise<ModelIds>;
  /** The account's lists, one for each of its keys. */
  describe(account: string): Promise<readonly AccountModelList[]>;
}

/** What a million tokens cost, in pico-credits (10^-12 credit). Absent: priced as input. */
export interface TokenPrices {
  readonly inputPico: bigint;
  readonly outputPico: bigint;
  readonly cacheReadPico?: bigint;
  readonly cacheWritePico?: bigint;
}

/** The prices in force at one time; undefined for a model without a price. */
export type PricesInForce = (model: {
  readonly provider: Provider;
  readonly upstreamModel: string;
  /** Empty: the catalogue does not know the model. */
  readonly canonicalModel: string;
}) => TokenPrices | undefined;

/** What calls cost for credits. */
export interface HostedPrices {
  /** The published prices that are in force at `nowMs`, of calls that are not long ones. */
  inForce(nowMs: number): Promise<PricesInForce>;
}
