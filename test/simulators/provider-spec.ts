import type { Provider } from "../../src/base/provider.ts";
import type { Consent } from "./consent.ts";
import type { KeyCondition, MintOptions, SimKey } from "./sim-key.ts";
import type { CallTokens } from "./token-script.ts";
import type { WireAnswer } from "./wire.ts";

/** How a condition of a key shows: on GET endpoints, and on model calls. Absent: not at all. */
export interface ConditionAnswers {
  readonly get?: (key: SimKey) => WireAnswer;
  readonly call?: (key: SimKey) => WireAnswer;
}

/** A GET endpoint. Public ones are served without a key. */
export interface GetRoute {
  readonly open?: boolean;
  answer(context: {
    readonly key: SimKey | undefined;
    readonly url: URL;
    readonly models: readonly string[];
  }): WireAnswer;
}

/** What makes a simulated provider that provider. Paths and bodies are written out here, not read from the code under test. */
export interface ProviderSpec {
  readonly provider: Provider;
  readonly models: readonly string[];
  mintText(): string;
  readonly gets: Readonly<Record<string, GetRoute>>;
  readonly chatPaths: readonly string[];
  readonly missingKey: { readonly get: WireAnswer; readonly call: WireAnswer };
  wrongKey(text: string): WireAnswer;
  /** A condition that is not listed here cannot be set. Listed as `{}`: the endpoints' own answers show it. */
  readonly conditions: Readonly<Partial<Record<KeyCondition, ConditionAnswers>>>;
  unknownModel(model: string): WireAnswer;
  usage(tokens: CallTokens): Readonly<Record<string, unknown>>;
  /** Begins the id of a completion. */
  readonly idPrefix: string;
  /** Fields that the provider adds to every whole completion; its own SDK may insist on them. */
  readonly completionFields?: Readonly<Record<string, unknown>>;
  /** Fields that the provider adds to the last chunk of every stream, asked for or not. */
  readonly lastChunk?: (usage: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  /** Whether streams always end with usage. */
  readonly alwaysStreamsUsage: boolean;
  /** The provider's one click, where it has one: made anew for each simulator. */
  readonly oneClick?: (mintKey: (options: MintOptions) => string) => Consent;
}
