import type { ProviderSpec } from "./provider-spec.ts";
import { ALNUM, randomText } from "./random-text.ts";
import { type KeyCondition, type MintOptions, remainingUsd, type SimKey, type Spend } from "./sim-key.ts";
import type { TokenScript } from "./token-script.ts";

/** The keys of one simulated provider, and what a test may do to them. Keys are named by their text. */
export interface KeyRing {
  /** Issues a key of the provider's own format and returns its text. */
  mintKey(options?: MintOptions): string;
  /** Sets what the provider holds against a key. `seenByGet: false`: only model calls show it. Throws when the provider knows no such condition. */
  setCondition(text: string, condition: KeyCondition, options?: { readonly seenByGet?: boolean }): void;
  revoke(text: string): void;
  /** Where the provider shows an empty account on its GET endpoints, `seenByGet: false` hides it there; OpenAI shows it at model calls alone unless told otherwise. */
  setNoCredit(text: string, options?: { readonly seenByGet?: boolean }): void;
  disable(text: string): void;
  restrict(text: string): void;
  rateLimit(text: string, retryAfterSeconds?: number): void;
  /** Back to live. */
  heal(text: string): void;
  /** The token counts that the key's next calls report; undefined: counted words. */
  scriptUsage(text: string, script: TokenScript | undefined): void;
  spendOf(text: string): Readonly<Spend>;
  /** The key's id in the request log. */
  idOf(text: string): string;
  find(text: string): SimKey | undefined;
}

/** An empty ring. */
export function createKeyRing(spec: ProviderSpec): KeyRing {
  const keys = new Map<string, SimKey>();
  const known = (text: string): SimKey => {
    const key = keys.get(text);
    if (key === undefined) throw new Error(`${spec.provider} issued no such key`);
    return key;
  };
  const setCondition: KeyRing["setCondition"] = (text, condition, options) => {
    if (spec.conditions[condition] === undefined) throw new Error(`${spec.provider} knows no condition "${condition}"`);
    const key = known(text);
    key.condition = condition;
    key.seenByGet = options?.seenByGet ?? true;
  };
  return {
    mintKey(options = {}) {
      const text = spec.mintText();
      keys.set(text, {
        id: `key-${randomText(ALNUM, 12)}`,
        text,
        limitUsd: options.limitUsd,
        expiresAt: options.expiresAt,
        condition: "live",
        seenByGet: true,
        retryAfterSeconds: 7,
        script: undefined,
        spend: { calls: 0, inputTokens: 0, outputTokens: 0, costTicks: 0 },
      });
      if (options.condition !== undefined) setCondition(text, options.condition);
      return text;
    },
    setCondition,
    revoke: (text) => setCondition(text, "revoked"),
    setNoCredit: (text, options) =>
      setCondition(text, "no_credit", { seenByGet: spec.provider !== "openai", ...options }),
    disable: (text) => setCondition(text, "disabled"),
    restrict: (text) => setCondition(text, "restricted"),
    rateLimit(text, retryAfterSeconds = 7) {
      setCondition(text, "rate_limited");
      known(text).retryAfterSeconds = retryAfterSeconds;
    },
    heal: (text) => setCondition(text, "live"),
    scriptUsage(text, script) {
      known(text).script = script;
    },
    spendOf: (text) => ({ ...known(text).spend }),
    idOf: (text) => known(text).id,
    find: (text) => keys.get(text),
  };
}

/** What the key is in effect: an OpenRouter key that has spent its own limit has no credit, whatever it was set to. */
export function conditionOf(key: SimKey): KeyCondition {
  return key.condition === "live" && (remainingUsd(key) ?? 1) <= 0 ? "no_credit" : key.condition;
}
