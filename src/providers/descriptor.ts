import type { Provider } from "../base/provider.ts";

/** What a probe found out about a key. Only `invalid`, `wrong_kind` and `blocked` are reasons to refuse it. */
export type ProbeOutcome =
  | "valid"
  /** Live, but the probe's own endpoint, or something else, is out of its scope. */
  | "valid_restricted"
  /** Live, but its account has nothing left to spend. */
  | "valid_no_credit"
  /** Live, but disabled there, or its team is blocked. */
  | "blocked"
  /** A management or admin key: it cannot call models. */
  | "wrong_kind"
  | "invalid"
  /** The provider refuses our address or country, so nothing is known about the key. */
  | "network_refused"
  /** Live as far as can be told; look again later. */
  | "rate_limited"
  /** No answer, or none that says anything. */
  | "unknown";

/** What an agent host's report about a model call says about the key that it was made with. */
export type CallFinding =
  | "ok"
  | "key_refused"
  | "no_credit"
  | "restricted"
  | "network_refused"
  | "rate_limited"
  | "model_refused"
  | "request_refused"
  | "provider_down";

/**
 * One line of a decision table. It holds when the status fits and every condition that is given holds; the first line that holds decides.
 * Paths are dotted property names inside the JSON body; "" is the body itself.
 */
export interface AnswerRule<Outcome> {
  readonly status: number | readonly number[];
  /** The provider's error code is one of these. */
  readonly codes?: readonly string[];
  readonly codePrefix?: string;
  /** The provider's error type is this. */
  readonly type?: string;
  /** The whole body, JSON or not, contains this; in lower case, compared without regard to case. */
  readonly text?: string;
  /** At least one of these paths is `true`. */
  readonly anyTrue?: readonly string[];
  /** This path is `false`. */
  readonly isFalse?: string;
  /** This path is a number that is zero or less. */
  readonly notPositive?: string;
  /** This path is an RFC 3339 time that is over. */
  readonly past?: string;
  /** At least one of these paths is there and not null. */
  readonly hasAny?: readonly string[];
  /** At least one of these paths is an array. */
  readonly hasList?: readonly string[];
  readonly outcome: Outcome;
}

/** The outcome of a probe's rule; `header_missing` would be a mistake of ours: the provider saw no credential. */
export type RuleOutcome = ProbeOutcome | "header_missing";

/** What is known about the look of a provider's keys. Lengths are never a reason to refuse: several exist, and they change. */
export interface KeyShape {
  /** With its article, for sentences: "an OpenAI key". */
  readonly noun: string;
  /** How such a key begins, for people; absent when no one beginning is common to all. */
  readonly prefix?: string;
  /** The format that secret scanners publish, for the keys made today. */
  readonly published: RegExp;
  /** An older published format that is still in use. */
  readonly legacy?: RegExp;
  /** What is let through to the probe: generous on purpose. */
  readonly accepted: RegExp;
  /** Text that can only be a key of this provider. Absent when its keys do not tell whose they are. */
  readonly claims?: RegExp;
  /** Keys of this provider that cannot call models. */
  readonly rejected?: RegExp;
}

/** How to find out whether a key works: GET `path` below the base URL. */
export interface ValidateDescriptor {
  readonly path: string;
  readonly rules: readonly AnswerRule<RuleOutcome>[];
  /** Whether an accepted key is one that has credit. Absent: the probe does not show the whole account. */
  readonly tellsCredit?: true;
  /** Where the answer tells the key's allowance, as paths; amounts are US dollars. */
  readonly limits?: { readonly limitUsd: string; readonly remainingUsd: string; readonly expireTime: string };
}

/** One endpoint that lists models. */
export interface ModelListEndpoint {
  readonly path: string;
  /** Where the array stands, in order of preference; "" is the body itself. */
  readonly roots: readonly string[];
}

/** How to list the models that a key may use. */
export interface ModelListDescriptor extends ModelListEndpoint {
  readonly idPath: string;
  readonly namePath?: string;
  readonly contextLengthPath?: string;
  /** Array of further ids of the same model. */
  readonly aliasesPath?: string;
  /** Only entries that pass count: `path` equals `equals`, or is not `not`, or, if it is an array, includes `includes`. */
  readonly filter?: { readonly path: string } & (
    | { readonly equals: string }
    | { readonly not: boolean }
    | { readonly includes: string }
  );
  /** Ids of models that hold no chats, where the list does not tell their kind. */
  readonly otherThanChat?: RegExp;
  /** `offset` and `limit` query parameters; without both the whole list comes at once. */
  readonly pagination?: { readonly style: "offset_limit"; readonly pageMax: number; readonly nextPath: string };
  /** Asked when the first endpoint does not know the path. */
  readonly fallback?: ModelListEndpoint;
  /** The list is the same for everybody and is told without a key: it is asked for once, for all accounts, at this path. */
  readonly publicPath?: string;
}

/** Where the provider's `usage` object tells what. */
export interface UsageDescriptor {
  readonly inputPath: string;
  /** Input read from the cache; the first path that is there counts. */
  readonly cacheReadPaths: readonly string[];
  /** Input not found in the cache, where the provider counts it apart. */
  readonly cacheMissPath?: string;
  readonly cacheWritePath?: string;
  readonly outputPath: string;
  readonly reasoningPath: string;
  /** Whether the output total contains the reasoning tokens. */
  readonly outputIncludesReasoning: boolean;
  /** Whether more may be read from the cache than the input total says, which then counts only what was not cached. */
  readonly cacheMayExceedInput: boolean;
  /** What the call cost: `path` in units of 10^-`decimals` US dollars. */
  readonly cost?: { readonly path: string; readonly decimals: number };
  /** When a streamed answer carries usage: always, or when `stream_options.include_usage` asks for it. */
  readonly streamed: "always" | "include_usage";
}

/** How to recognise the provider's own model ids when no list knows them. */
export interface ModelIdDescriptor {
  readonly patterns: readonly RegExp[];
  /** The author under which other catalogues file this provider's own models ("x-ai" in "x-ai/grok-4.3"). */
  readonly firstPartyAuthor?: string;
}

/** Everything that this service knows about a provider, as data. */
export interface ProviderDescriptor {
  readonly slug: Provider;
  readonly displayName: string;
  /** What a key of it covers, as the users' page says it. */
  readonly covers: string;
  readonly keyPageUrl: string;
  /** Whether it can be connected by one click instead of pasting a key. */
  readonly oneClick: boolean;
  /** https, no trailing slash; paths below are appended to it. */
  readonly baseUrl: string;
  readonly chatPath: string;
  readonly auth: { readonly header: string; readonly prefix: string };
  /** Further headers that every call of it carries. */
  readonly headers: Readonly<Record<string, string>>;
  readonly key: KeyShape;
  readonly validate: ValidateDescriptor;
  /** What errors of model calls say about the key, where the status alone would mislead. */
  readonly callRules: readonly AnswerRule<CallFinding>[];
  readonly models: ModelListDescriptor;
  readonly usage: UsageDescriptor;
  readonly modelIds: ModelIdDescriptor;
}
