import { describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { decideOn, inWords, keyOf } from "./routing-fixture.ts";

// Names that collide between providers: the same string at several of them, spellings that differ in case alone, one model under several authors, ids that begin
// with a provider's own name. Computed from models.dev at f3fc692 (October 2026), with what the providers' own pages added later.

/** A model's maker, then the fast hosts, then the key that covers everything else. */
const ORDER: readonly Provider[] = ["openai", "deepseek", "xai", "groq", "together", "openrouter"];

/** The id of one model at each provider that serves it; nobody else does. */
type Ids = Readonly<Partial<Record<Provider, string>>>;

/** The very same string at several providers, and not at the one whose name it begins with. */
const SAME_STRING: readonly (readonly [string, readonly Provider[]])[] = [
  ["openai/gpt-oss-120b", ["groq", "together", "openrouter"]],
  ["openai/gpt-oss-20b", ["groq", "together", "openrouter"]],
  ["openai/gpt-oss-safeguard-20b", ["groq", "openrouter"]],
  ["qwen/qwen3-32b", ["groq", "openrouter"]],
  ["nvidia/nemotron-3-ultra-550b-a55b", ["together", "openrouter"]],
];

/** OpenRouter writes them in lower case, Together AI as Hugging Face does. */
const CASE_ONLY: readonly Ids[] = [
  { openrouter: "google/gemma-4-31b-it", together: "google/gemma-4-31B-it" },
  { openrouter: "google/gemma-3n-e4b-it", together: "google/gemma-3n-E4B-it" },
  { openrouter: "moonshotai/kimi-k2.5", together: "moonshotai/Kimi-K2.5" },
  { openrouter: "moonshotai/kimi-k2.6", together: "moonshotai/Kimi-K2.6" },
  { openrouter: "moonshotai/kimi-k2.7-code", together: "moonshotai/Kimi-K2.7-Code" },
  { openrouter: "qwen/qwen3.5-397b-a17b", together: "Qwen/Qwen3.5-397B-A17B" },
  { openrouter: "qwen/qwen3.5-9b", together: "Qwen/Qwen3.5-9B" },
  { openrouter: "qwen/qwen3.6-plus", together: "Qwen/Qwen3.6-Plus" },
  { openrouter: "qwen/qwen3.7-max", together: "Qwen/Qwen3.7-Max" },
];

/** One model that is filed under another author, or under none, at each provider. */
const OTHER_AUTHOR: readonly Ids[] = [
  {
    openrouter: "deepseek/deepseek-v4-pro",
    together: "deepseek-ai/DeepSeek-V4-Pro",
    deepseek: "deepseek-v4-pro",
  },
  {
    openrouter: "deepseek/deepseek-v4.1-flash",
    together: "deepseek-ai/DeepSeek-V4.1-Flash",
    deepseek: "deepseek-flash",
  },
  { openrouter: "deepseek/deepseek-r1", together: "deepseek-ai/DeepSeek-R1" },
  { openrouter: "z-ai/glm-5", together: "zai-org/GLM-5" },
  { openrouter: "z-ai/glm-5.1", together: "zai-org/GLM-5.1" },
  { openrouter: "z-ai/glm-5.2", together: "zai-org/GLM-5.2" },
  { openrouter: "minimax/minimax-m2.5", together: "MiniMaxAI/MiniMax-M2.5" },
  { openrouter: "minimax/minimax-m2.7", together: "MiniMaxAI/MiniMax-M2.7" },
  { openrouter: "minimax/minimax-m3", together: "MiniMaxAI/MiniMax-M3" },
  { openrouter: "meta-llama/llama-3.3-70b-instruct", together: "meta-llama/Llama-3.3-70B-Instruct-Turbo" },
  { openrouter: "meta-llama/llama-4-scout", groq: "meta-llama/llama-4-scout-17b-16e-instruct" },
  { openrouter: "x-ai/grok-4.3", xai: "grok-4.3" },
  { openrouter: "x-ai/grok-build-0.1", xai: "grok-build-0.1" },
  { openrouter: "x-ai/grok-4.20", xai: "grok-4.20-0309-reasoning" },
  { openrouter: "openai/gpt-5.5", openai: "gpt-5.5" },
  { openrouter: "openai/o3", openai: "o3" },
  { openrouter: "openai/o4-mini", openai: "o4-mini" },
];

const ROWS: readonly Ids[] = [
  ...SAME_STRING.map(([id, providers]) => Object.fromEntries(providers.map((provider) => [provider, id]))),
  ...CASE_ONLY,
  ...OTHER_AUTHOR,
];

/** Every set of keys that an account may have, one of each provider at most. */
const KEY_SETS: readonly (readonly Provider[])[] = Array.from({ length: 2 ** PROVIDERS.length }, (_none, bits) =>
  PROVIDERS.filter((_provider, at) => (bits & (1 << at)) !== 0),
);

function decided(name: string, held: readonly Provider[]): string {
  return inWords(
    decideOn(
      name,
      held.map((provider) => keyOf(provider)),
    ),
  );
}

describe.each(ROWS.map((ids) => ({ ids, spellings: [...new Set(Object.values(ids))] })))(
  "$spellings",
  ({ ids, spellings }) => {
    test("in every spelling and with every set of keys, goes to the first provider that serves it, under that provider's own id", () => {
      for (const held of KEY_SETS) {
        const serving = ORDER.find((provider) => held.includes(provider) && ids[provider] !== undefined);
        const expected = serving === undefined ? "refused MODEL_UNKNOWN" : `BYOK ${serving} ${ids[serving]}`;
        for (const name of spellings) expect(decided(name, held), `${name} with ${held.join()}`).toBe(expected);
      }
    });
  },
);

/** Names that no catalogue knows, and whose they look like; they are sent as they are. */
const LOOKS: Readonly<Record<Provider, readonly string[]>> = {
  openai: [
    "gpt-99",
    "chatgpt-99o-latest",
    "codex-99-latest",
    "o1-99",
    "o3-99",
    "ft:gpt-4o-mini:org::id",
    "text-embedding-99",
    "gpt-image-99",
    "whisper-1",
    "tts-99",
  ],
  deepseek: ["deepseek-chat-99", "deepseek-reasoner-99", "deepseek-v99"],
  xai: ["grok-99", "grok-99-latest"],
  groq: ["groq/compound-99", "llama-3.99-instant", "llama-3.99-versatile", "whisper-large-v3-turbo", "allam-99b"],
  together: [
    "Qwen/Qwen99",
    "deepseek-ai/DeepSeek-V99",
    "zai-org/GLM-99",
    "MiniMaxAI/MiniMax-M99",
    "LiquidAI/LFM-99",
    "essentialai/rnj-99",
    "acct/Qwen/Qwen3.5-9B-FP8-bb04c904",
  ],
  openrouter: [
    "openrouter/auto",
    "openrouter/free",
    "~anthropic/claude-opus-latest",
    "@preset/mine",
    "openai/gpt-4@preset/mine",
    ...["free", "extended", "thinking", "nitro", "floor", "exacto", "online"].map(
      (variant) => `openai/gpt-5.5:${variant}`,
    ),
    ...["anthropic", "google", "mistralai", "minimax", "perplexity", "cohere", "amazon", "z-ai"].map(
      (author) => `${author}/model-99`,
    ),
    // Three providers use this author, so its name alone says nothing.
    "meta-llama/llama-99",
    "openai/gpt-oss-99b",
  ],
};

describe.each(PROVIDERS)("a name that looks like %s's", (provider) => {
  test.each(LOOKS[provider])(
    "%s goes there as it is, when there is a key, and without one to no other native provider",
    (name) => {
      expect(decided(name, PROVIDERS)).toBe(`BYOK ${provider} ${name}`);
      const others = PROVIDERS.filter((other) => other !== provider && other !== "openrouter");
      expect(decided(name, others)).toBe("refused MODEL_UNKNOWN");
      if (provider !== "openrouter") expect(decided(name, [...others, "openrouter"])).toBe(`BYOK openrouter ${name}`);
    },
  );
});

test.each([
  ["openai/gpt-99", "openai", "gpt-99"],
  ["openai/o4-99", "openai", "o4-99"],
  ["x-ai/grok-99", "xai", "grok-99"],
  ["deepseek/deepseek-chat", "deepseek", "deepseek-chat"],
] as const)(
  "%s is the first party's own with its key, and OpenRouter's as written without it",
  (name, provider, bare) => {
    expect(decided(name, PROVIDERS)).toBe(`BYOK ${provider} ${bare}`);
    const without = PROVIDERS.filter((other) => other !== provider);
    expect(decided(name, without)).toBe(`BYOK openrouter ${name}`);
  },
);
