import { describe, expect, test } from "vitest";
import type { Provider } from "../../src/base/provider.ts";
import type { KeyStanding, RoutingPolicy } from "../../src/router/decision.ts";
import { toRoutingPolicy } from "../../src/router/policy-record.ts";
import type { ModelPin, PolicyChoices } from "../../src/router/ports.ts";
import { decideOn, EVERY_PLATFORM_KEY, inWords, keyOf, NOW_MS, platformKeyOf } from "./routing-fixture.ts";

const keys = (names: string): KeyStanding[] =>
  names
    .split(" ")
    .filter(Boolean)
    .map((name) => keyOf(name as Provider));

describe("the name decides the provider", () => {
  test.each([
    // A native key serves its own provider's models, in every form that names them.
    ["openai/gpt-5.5", "openai openrouter", "BYOK openai gpt-5.5"],
    ["gpt-5.5", "openai openrouter", "BYOK openai gpt-5.5"],
    ["openai/gpt-5.3-chat", "openai", "BYOK openai gpt-5.3-chat-latest"],
    ["x-ai/grok-4.20", "xai openrouter", "BYOK xai grok-4.20-0309-reasoning"],
    ["deepseek/deepseek-v4-pro", "deepseek together openrouter", "BYOK deepseek deepseek-v4-pro"],
    ["deepseek-flash", "deepseek", "BYOK deepseek deepseek-flash"],
    ["deepseek/deepseek-v4.1-flash", "deepseek", "BYOK deepseek deepseek-flash"],
    // Without one the OpenRouter key covers it, in OpenRouter's spelling.
    ["openai/gpt-5.5", "groq openrouter", "BYOK openrouter openai/gpt-5.5"],
    ["gpt-5.5", "openrouter", "BYOK openrouter openai/gpt-5.5"],
    ["Qwen/Qwen3.5-397B-A17B", "openrouter", "BYOK openrouter qwen/qwen3.5-397b-a17b"],
    ["anthropic/claude-sonnet-4.5", "openai groq openrouter", "BYOK openrouter anthropic/claude-sonnet-4.5"],
    // The same string at several providers: maker, Groq, Together, OpenRouter. OpenAI does not serve its open weights.
    ["openai/gpt-oss-120b", "openai groq together openrouter", "BYOK groq openai/gpt-oss-120b"],
    ["openai/gpt-oss-120b", "openai together openrouter", "BYOK together openai/gpt-oss-120b"],
    ["openai/gpt-oss-120b", "openai openrouter", "BYOK openrouter openai/gpt-oss-120b"],
    ["openai/gpt-oss-120b", "openai", "refused MODEL_UNKNOWN"],
    ["openai/gpt-oss-safeguard-20b", "groq together", "BYOK groq openai/gpt-oss-safeguard-20b"],
    ["openai/gpt-oss-safeguard-20b", "together", "refused MODEL_UNKNOWN"],
    ["qwen/qwen3-32b", "groq openrouter", "BYOK groq qwen/qwen3-32b"],
    ["nvidia/nemotron-3-ultra-550b-a55b", "together openrouter", "BYOK together nvidia/nemotron-3-ultra-550b-a55b"],
    // Ids that differ only in case are the same model in two spellings; neither is ever sent to the other's provider.
    ["google/gemma-4-31b-it", "together", "BYOK together google/gemma-4-31B-it"],
    ["google/gemma-4-31B-it", "openrouter", "BYOK openrouter google/gemma-4-31b-it"],
    ["moonshotai/kimi-k2.6", "together openrouter", "BYOK together moonshotai/Kimi-K2.6"],
    // The same model under other authors.
    ["z-ai/glm-5.2", "together openrouter", "BYOK together zai-org/GLM-5.2"],
    ["meta-llama/llama-4-scout", "groq", "BYOK groq meta-llama/llama-4-scout-17b-16e-instruct"],
    ["deepseek/deepseek-r1", "deepseek together", "BYOK together deepseek-ai/DeepSeek-R1"],
    // Upstream ids that begin with a slug of ours.
    ["groq/compound", "groq openrouter", "BYOK groq groq/compound"],
    ["openrouter/auto", "openai openrouter", "BYOK openrouter openrouter/auto"],
    // The look of a name that nothing knows, only with a key; the author of a first party is dropped.
    ["openai/gpt-9", "openai openrouter", "BYOK openai gpt-9"],
    ["openai/o4-nano", "openai openrouter", "BYOK openai o4-nano"],
    ["x-ai/grok-9", "xai openrouter", "BYOK xai grok-9"],
    ["deepseek/deepseek-chat", "deepseek openrouter", "BYOK deepseek deepseek-chat"],
    ["openai/gpt-9", "openrouter", "BYOK openrouter openai/gpt-9"],
    ["openai/gpt-oss-9b", "openai openrouter", "BYOK openrouter openai/gpt-oss-9b"],
    ["gpt-9", "openai openrouter", "BYOK openai gpt-9"],
    ["ft:gpt-4o-mini:org::id", "openai openrouter", "BYOK openai ft:gpt-4o-mini:org::id"],
    ["acct/Qwen/Qwen3.5-9B-FP8-bb04c904", "together openrouter", "BYOK together acct/Qwen/Qwen3.5-9B-FP8-bb04c904"],
    ["meta-llama/llama-9", "groq together openrouter", "BYOK openrouter meta-llama/llama-9"],
    // OpenRouter's variants, aliases and presets are OpenRouter's alone and never stripped.
    ["openai/gpt-5.5:nitro", "openai openrouter", "BYOK openrouter openai/gpt-5.5:nitro"],
    ["deepseek/deepseek-chat:free", "deepseek openrouter", "BYOK openrouter deepseek/deepseek-chat:free"],
    ["deepseek/deepseek-chat:free", "deepseek", "refused MODEL_UNKNOWN"],
    ["~anthropic/claude-opus-latest", "openrouter", "BYOK openrouter ~anthropic/claude-opus-latest"],
    ["openai/gpt-4@preset/mine", "openai openrouter", "BYOK openrouter openai/gpt-4@preset/mine"],
    // What nothing knows goes verbatim to the OpenRouter key, and to nobody else.
    ["Acme/Private-Model", "openai groq openrouter", "BYOK openrouter Acme/Private-Model"],
    ["Acme/Private-Model", "openai deepseek groq xai together", "refused MODEL_UNKNOWN"],
    ["OpenAI/GPT-5.5", "openai", "refused MODEL_UNKNOWN"],
  ])("%s with keys of %s: %s", (name, held, expected) => {
    expect(inWords(decideOn(name, keys(held)))).toBe(expected);
  });
});

describe("qualified names and pins", () => {
  test.each([
    ["groq::openai/gpt-oss-20b", "groq openrouter", undefined, "BYOK groq openai/gpt-oss-20b"],
    ["openrouter::openai/gpt-5.5", "openai openrouter", undefined, "BYOK openrouter openai/gpt-5.5"],
    ["openai::Anything Goes", "openai", undefined, "BYOK openai Anything Goes"],
    ["together::a::b", "together", undefined, "BYOK together a::b"],
    ["openai::gpt-5.5", "openrouter", undefined, "refused PIN_WITHOUT_KEY"],
    ["OpenAI::gpt-5.5", "openai openrouter", undefined, "BYOK openrouter OpenAI::gpt-5.5"],
    ["anthropic::claude", "openrouter", undefined, "BYOK openrouter anthropic::claude"],
    ["openai/gpt-5.5", "openai openrouter", "openrouter", "BYOK openrouter openai/gpt-5.5"],
    ["gpt-5.5", "openai openrouter", "openrouter", "BYOK openrouter openai/gpt-5.5"],
    ["openai/gpt-9", "openai openrouter", "openai", "BYOK openai gpt-9"],
    ["my-own-model", "groq", "groq", "BYOK groq my-own-model"],
    ["openai/gpt-5.5", "openai groq", "groq", "refused MODEL_UNKNOWN"],
    ["openai/gpt-5.5", "openrouter", "openai", "refused PIN_WITHOUT_KEY"],
    ["openai/gpt-5.5", "", "openai", "refused PIN_WITHOUT_KEY"],
  ] as const)("%s with keys of %s, pinned to %s: %s", (name, held, pin, expected) => {
    expect(inWords(decideOn(name, keys(held), { pin, platformKeys: EVERY_PLATFORM_KEY }))).toBe(expected);
  });

  test("a pin holds under every policy: no other key and no credits", () => {
    for (const onKeyFailure of ["STOP", "OTHER_KEYS", "CREDITS"] as const) {
      const held = [keyOf("openai", { state: "DEAD" }), keyOf("openrouter")];
      const decision = decideOn("openai/gpt-5.5", held, {
        pin: "openai",
        policy: { onKeyFailure },
        platformKeys: EVERY_PLATFORM_KEY,
      });
      expect(inWords(decision)).toBe("refused KEY_DEAD");
    }
  });
});

describe("an account's policy", () => {
  const policyOf = (changes: Partial<PolicyChoices>): RoutingPolicy =>
    toRoutingPolicy({ providerOrder: [], pins: [], onKeyFailure: "STOP", ...changes });
  const decided = (name: string, held: string, changes: Partial<PolicyChoices>, pin?: Provider) =>
    decideOn(name, keys(held), { policy: policyOf(changes), platformKeys: EVERY_PLATFORM_KEY, pin });

  test.each<[string, string, string, string]>([
    ["openai/gpt-oss-120b", "groq together openrouter", "together", "BYOK together openai/gpt-oss-120b"],
    ["openai/gpt-oss-120b", "groq together openrouter", "openrouter", "BYOK openrouter openai/gpt-oss-120b"],
    ["openai/gpt-oss-120b", "groq together", "openai openrouter together", "BYOK together openai/gpt-oss-120b"],
    ["openai/gpt-5.5", "openai openrouter", "openrouter", "BYOK openrouter openai/gpt-5.5"],
    ["gpt-5.5", "openai openrouter", "openrouter openai", "BYOK openrouter openai/gpt-5.5"],
    ["openai/gpt-9", "openai openrouter", "openrouter", "BYOK openrouter openai/gpt-9"],
    // OpenRouter knows models as author/model: a bare name that no list knows is not first of all its own.
    ["gpt-9", "openai openrouter", "openrouter", "BYOK openai gpt-9"],
    ["nobody-knows", "openai openrouter", "openrouter", "BYOK openrouter nobody-knows"],
    ["openai/gpt-5.5", "openai", "openrouter groq", "BYOK openai gpt-5.5"],
    ["openai/gpt-5.5", "", "openrouter groq", "HOSTED openai gpt-5.5"],
  ])("%s with keys of %s in the order %s: %s", (name, held, order, expected) => {
    expect(inWords(decided(name, held, { providerOrder: order.split(" ") as Provider[] }))).toBe(expected);
  });

  test.each<[string, string, string, Provider, string]>([
    ["openai/gpt-5.5", "openai openrouter", "openai/gpt-5.5", "openrouter", "BYOK openrouter openai/gpt-5.5"],
    // A canonical id stands for every spelling, another spelling for itself alone.
    ["gpt-5.5", "openai openrouter", "openai/gpt-5.5", "openrouter", "BYOK openrouter openai/gpt-5.5"],
    ["openai/gpt-5.5", "openai openrouter", "gpt-5.5", "openrouter", "BYOK openai gpt-5.5"],
    ["gpt-5.5", "openai openrouter", "gpt-5.5", "openrouter", "BYOK openrouter openai/gpt-5.5"],
    ["GPT-5.5", "openai openrouter", "gpt-5.5", "openai", "BYOK openrouter GPT-5.5"],
    ["my-own-model", "groq openrouter", "my-own-model", "groq", "BYOK groq my-own-model"],
    // Without a key, or where the provider does not serve the model, the pin is passed over.
    ["openai/gpt-5.5", "openai", "openai/gpt-5.5", "together", "BYOK openai gpt-5.5"],
    ["openai/gpt-5.5", "openai groq", "openai/gpt-5.5", "groq", "BYOK openai gpt-5.5"],
    ["openai/gpt-5.5", "", "openai/gpt-5.5", "openrouter", "HOSTED openai gpt-5.5"],
    // What the request names goes before.
    ["openai::gpt-5.5", "openai openrouter", "gpt-5.5", "openrouter", "BYOK openai gpt-5.5"],
  ])("%s with keys of %s, where %s is pinned to %s: %s", (name, held, model, provider, expected) => {
    expect(inWords(decided(name, held, { pins: [{ model, provider }] }))).toBe(expected);
  });

  test("a request's pin goes before the policy's, and refuses without a key", () => {
    const pins = [{ model: "openai/gpt-5.5", provider: "openrouter" as const }];
    expect(inWords(decided("openai/gpt-5.5", "openai openrouter", { pins }, "openai"))).toBe("BYOK openai gpt-5.5");
    expect(inWords(decided("openai/gpt-5.5", "openrouter", { pins }, "openai"))).toBe("refused PIN_WITHOUT_KEY");
    const both = decided("openai/gpt-5.5", "openai openrouter", { pins }, "openrouter");
    expect(both).toMatchObject({ provider: "openrouter", reason: "PINNED_BY_REQUEST" });
    const qualified = decided("openrouter::gpt-x", "openrouter", { pins: [{ model: "gpt-x", provider: "openai" }] });
    expect(qualified).toMatchObject({
      provider: "openrouter",
      reason: "QUALIFIED",
      candidates: [{ provider: "openrouter" }, {}],
    });
  });

  test("what became of a pin is told first of all", () => {
    const pins: ModelPin[] = [{ model: "openai/gpt-5.5", provider: "groq" }];
    const told = (held: string, wanted = pins) => {
      const decision = decided("openai/gpt-5.5", held, { pins: wanted });
      if (decision.kind === "needs-platform-keys") throw new Error("platform keys were given");
      return decision.candidates.map((c) => `${c.provider ?? c.payer} ${c.verdict} ${c.reason}`);
    };
    expect(told("openai")[0]).toBe("groq SKIPPED POLICY_PIN_WITHOUT_KEY");
    expect(told("openai groq")[0]).toBe("groq SKIPPED MODEL_NOT_SERVED");
    expect(told("openai openrouter", [{ model: "openai/gpt-5.5", provider: "openrouter" }])).toEqual([
      "openrouter CHOSEN PINNED_BY_POLICY",
      "openai NOT_NEEDED NATIVE_KEY",
      "HOSTED NOT_NEEDED OWN_KEY_FIRST",
    ]);
  });

  test.each([
    ["STOP", "refused KEY_DEAD"],
    ["OTHER_KEYS", "BYOK openai gpt-5.5"],
    ["CREDITS", "BYOK openai gpt-5.5"],
  ] as const)("a pinned key that fails follows %s: %s", (onKeyFailure, expected) => {
    const policy = policyOf({ onKeyFailure, pins: [{ model: "openai/gpt-5.5", provider: "openrouter" }] });
    const held = [keyOf("openai"), keyOf("openrouter", { state: "DEAD" })];
    expect(inWords(decideOn("openai/gpt-5.5", held, { policy, platformKeys: EVERY_PLATFORM_KEY }))).toBe(expected);
  });

  test.each(["STOP", "OTHER_KEYS", "CREDITS"] as const)(
    "a key that we cannot open refuses under %s, pinned or not",
    (onKeyFailure) => {
      for (const pins of [[], [{ model: "openai/gpt-5.5", provider: "openai" as const }]]) {
        const held = [keyOf("openai", { state: "UNREADABLE" }), keyOf("openrouter")];
        const changes = { policy: policyOf({ onKeyFailure, pins }), platformKeys: EVERY_PLATFORM_KEY };
        expect(inWords(decideOn("openai/gpt-5.5", held, changes))).toBe("refused KEY_UNREADABLE");
      }
    },
  );
});

describe("a key that cannot serve", () => {
  test.each([
    ["DEAD", "KEY_DEAD"],
    ["EXHAUSTED", "KEY_EXHAUSTED"],
    ["BLOCKED", "KEY_BLOCKED"],
    ["RATE_LIMITED", "KEY_RATE_LIMITED"],
  ] as const)("%s follows the policy", (state, reason) => {
    const native = keyOf("openai", { state, stateUntilMs: NOW_MS + 1 });
    const go = (onKeyFailure: RoutingPolicy["onKeyFailure"], ...others: KeyStanding[]) =>
      inWords(
        decideOn("openai/gpt-5.5", [native, ...others], { policy: { onKeyFailure }, platformKeys: EVERY_PLATFORM_KEY }),
      );
    expect(go("STOP", keyOf("openrouter"))).toBe(`refused ${reason}`);
    expect(go("OTHER_KEYS", keyOf("openrouter"))).toBe("BYOK openrouter openai/gpt-5.5");
    expect(go("OTHER_KEYS")).toBe(`refused ${reason}`);
    expect(go("OTHER_KEYS", keyOf("openrouter", { state: "DEAD" }))).toBe(`refused ${reason}`);
    expect(go("CREDITS", keyOf("openrouter"))).toBe("BYOK openrouter openai/gpt-5.5");
    expect(go("CREDITS")).toBe("HOSTED openai gpt-5.5");
  });

  test("one that we cannot open refuses under every policy: our fault is never the user's bill", () => {
    for (const onKeyFailure of ["STOP", "OTHER_KEYS", "CREDITS"] as const) {
      const changes = { policy: { onKeyFailure }, platformKeys: EVERY_PLATFORM_KEY };
      const unreadable = keyOf("openai", { state: "UNREADABLE" });
      expect(inWords(decideOn("openai/gpt-5.5", [unreadable, keyOf("openrouter")], changes))).toBe(
        "refused KEY_UNREADABLE",
      );
    }
    const held = [keyOf("openai", { state: "DEAD" }), keyOf("openrouter", { state: "UNREADABLE" })];
    const decision = decideOn("openai/gpt-5.5", held, {
      policy: { onKeyFailure: "CREDITS" },
      platformKeys: EVERY_PLATFORM_KEY,
    });
    expect(inWords(decision)).toBe("refused KEY_UNREADABLE");
  });

  test("a dead key of another provider does not stand in the way", () => {
    expect(inWords(decideOn("openai/gpt-5.5", [keyOf("openai"), keyOf("groq", { state: "DEAD" })]))).toBe(
      "BYOK openai gpt-5.5",
    );
  });

  test("a rate limit or an empty account whose time is over gets a trial call, one without an end does not", () => {
    for (const state of ["RATE_LIMITED", "EXHAUSTED"] as const) {
      const at = (stateUntilMs: number) => inWords(decideOn("gpt-5.5", [keyOf("openai", { state, stateUntilMs })]));
      expect(at(NOW_MS)).toBe("BYOK openai gpt-5.5");
      expect(at(NOW_MS + 1)).toBe(`refused KEY_${state}`);
      expect(inWords(decideOn("gpt-5.5", [keyOf("openai", { state })]))).toBe(`refused KEY_${state}`);
    }
    for (const state of ["DEAD", "BLOCKED"] as const) {
      const over = keyOf("openai", { state, stateUntilMs: NOW_MS - 1 });
      expect(inWords(decideOn("gpt-5.5", [over]))).toBe(`refused KEY_${state}`);
    }
  });

  test("an unverified key is tried", () => {
    expect(inWords(decideOn("gpt-5.5", [keyOf("openai", { state: "UNVERIFIED" })]))).toBe("BYOK openai gpt-5.5");
  });

  test("a rate limited key tells when to try again", () => {
    const limited = keyOf("openai", { state: "RATE_LIMITED", stateUntilMs: NOW_MS + 7_000 });
    expect(decideOn("gpt-5.5", [limited])).toMatchObject({ retryAtMs: NOW_MS + 7_000, provider: "openai" });
  });
});

describe("hosted credits", () => {
  test("serve catalogue models without a key, by plori's native key before its OpenRouter key", () => {
    const hosted = (name: string, platformKeys: readonly KeyStanding[]) =>
      inWords(decideOn(name, [], { platformKeys }));
    expect(hosted("openai/gpt-5.5", EVERY_PLATFORM_KEY)).toBe("HOSTED openai gpt-5.5");
    expect(hosted("openai/gpt-5.5", [platformKeyOf("openrouter")])).toBe("HOSTED openrouter openai/gpt-5.5");
    expect(hosted("anthropic/claude-sonnet-4.5", EVERY_PLATFORM_KEY)).toBe(
      "HOSTED openrouter anthropic/claude-sonnet-4.5",
    );
    expect(hosted("openai/gpt-5.5", [platformKeyOf("groq")])).toBe("refused MODEL_UNKNOWN");
    expect(hosted("openai/gpt-5.5", [])).toBe("refused MODEL_UNKNOWN");
  });

  test("serve when the account's keys do not serve the model", () => {
    const decision = decideOn("openai/gpt-5.5", keys("groq"), { platformKeys: EVERY_PLATFORM_KEY });
    expect(inWords(decision)).toBe("HOSTED openai gpt-5.5");
  });

  test("never serve what the catalogue does not sell: an unknown id, a variant, a model without a price", () => {
    for (const name of ["openai/gpt-9", "Acme/Private-Model", "openai/gpt-5.5:nitro", "groq/compound"]) {
      expect(inWords(decideOn(name, [], { platformKeys: EVERY_PLATFORM_KEY }))).toBe("refused MODEL_UNKNOWN");
    }
  });

  test("go on to plori's next key when one cannot serve, and refuse as our own passing trouble when none can", () => {
    const dead = platformKeyOf("openai", { state: "DEAD" });
    const limited = platformKeyOf("openrouter", { state: "RATE_LIMITED", stateUntilMs: NOW_MS + 5 });
    const withOther = decideOn("gpt-5.5", [], { platformKeys: [dead, platformKeyOf("openrouter")] });
    expect(inWords(withOther)).toBe("HOSTED openrouter openai/gpt-5.5");
    const none = decideOn("gpt-5.5", [], { platformKeys: [dead, limited] });
    expect(none).toMatchObject({ kind: "refused", reason: "PROVIDER_UNREACHABLE", retryAtMs: NOW_MS + 5 });
  });

  test("are asked for only when the account's own keys do not settle the call", () => {
    expect(decideOn("gpt-5.5", [], { platformKeys: undefined }).kind).toBe("needs-platform-keys");
    expect(decideOn("gpt-5.5", keys("openai"), { platformKeys: undefined }).kind).toBe("route");
    expect(decideOn("gpt-9", [], { platformKeys: undefined }).kind).toBe("refused");
  });
});

describe("candidates", () => {
  test("tell of every way why it was or was not taken", () => {
    const held = [keyOf("openai", { state: "DEAD" }), keyOf("openrouter"), keyOf("groq")];
    const decision = decideOn("openai/gpt-5.5", held, {
      policy: { onKeyFailure: "OTHER_KEYS" },
      platformKeys: EVERY_PLATFORM_KEY,
    });
    if (decision.kind !== "route") throw new Error("expected a route");
    const words = decision.candidates.map((c) => `${c.payer} ${c.provider ?? "-"} ${c.verdict} ${c.reason} ${c.key}`);
    expect(words).toEqual([
      "BYOK openai SKIPPED KEY_DEAD accounts/acct-1/keys/openai",
      "BYOK groq SKIPPED MODEL_NOT_SERVED accounts/acct-1/keys/groq",
      "BYOK openrouter CHOSEN OPENROUTER_KEY accounts/acct-1/keys/openrouter",
      "HOSTED - NOT_NEEDED OWN_KEY_FIRST ",
    ]);
  });

  test("end with the chosen one on the hot path", () => {
    const decision = decideOn("openai/gpt-oss-120b", keys("openai groq together openrouter"), {
      everyCandidate: false,
    });
    if (decision.kind !== "route") throw new Error("expected a route");
    expect(decision.candidates.map((c) => `${c.provider} ${c.verdict}`)).toEqual(["openai SKIPPED", "groq CHOSEN"]);
  });

  test("never name plori's own keys", () => {
    const decision = decideOn("openai/gpt-5.5", [], { platformKeys: EVERY_PLATFORM_KEY });
    if (decision.kind !== "route") throw new Error("expected a route");
    expect(decision.candidates.filter((c) => c.key !== "")).toEqual([]);
  });
});

test("a model in the list that a key's provider gave is served by that key, exactly as written", () => {
  const modelLists = new Map([["groq", new Set(["acme/new-model"])]] as const);
  expect(inWords(decideOn("acme/new-model", keys("groq openrouter"), { modelLists }))).toBe("BYOK groq acme/new-model");
  expect(inWords(decideOn("acme/New-Model", keys("groq openrouter"), { modelLists }))).toBe(
    "BYOK openrouter acme/New-Model",
  );
});

describe("a rate limit that names models", () => {
  const limited = (modelLimits: Record<string, number>, state: "RATE_LIMITED" | "UNVERIFIED" = "RATE_LIMITED") =>
    keyOf("openai", { state, stateUntilMs: NOW_MS + 60_000, modelLimits });

  test("holds for these alone, by the provider's id, until its time", () => {
    const key = limited({ "gpt-5.5": NOW_MS + 7_000, "gpt-5.4": NOW_MS });
    expect(decideOn("openai/gpt-5.5", [key])).toMatchObject({ reason: "KEY_RATE_LIMITED", retryAtMs: NOW_MS + 7_000 });
    expect(inWords(decideOn("openai/gpt-5.4-mini", [key]))).toBe("BYOK openai gpt-5.4-mini");
    expect(inWords(decideOn("gpt-5.5", [limited({ "gpt-5.5": NOW_MS })]))).toBe("BYOK openai gpt-5.5");
  });

  test("holds for all of them when it names none", () => {
    const key = limited({ "": NOW_MS + 9_000, "gpt-5.5": NOW_MS + 7_000 });
    expect(decideOn("gpt-5.5", [key])).toMatchObject({ reason: "KEY_RATE_LIMITED", retryAtMs: NOW_MS + 9_000 });
    expect(inWords(decideOn("gpt-5.4-mini", [key]))).toBe("refused KEY_RATE_LIMITED");
  });

  test("holds for a key that was never verified too", () => {
    const key = limited({ "gpt-5.5": NOW_MS + 7_000 }, "UNVERIFIED");
    expect(inWords(decideOn("gpt-5.5", [key]))).toBe("refused KEY_RATE_LIMITED");
    expect(inWords(decideOn("gpt-5.4-mini", [key]))).toBe("BYOK openai gpt-5.4-mini");
  });
});

describe("what this process alone knows against a key", () => {
  test("refuses like the key's own state, and lets the policy go on", () => {
    const heldBack = (key: KeyStanding) =>
      key.provider === "openai" ? ({ trouble: "KEY_EXHAUSTED" } as const) : undefined;
    const held = keys("openai openrouter");
    expect(inWords(decideOn("openai/gpt-5.5", held, { heldBack }))).toBe("refused KEY_EXHAUSTED");
    expect(inWords(decideOn("openai/gpt-5.5", held, { heldBack, policy: { onKeyFailure: "OTHER_KEYS" } }))).toBe(
      "BYOK openrouter openai/gpt-5.5",
    );
  });
});

describe("several platform keys of one provider", () => {
  const chosen = (platformKeys: readonly KeyStanding[], host?: string, changes = {}) => {
    const decision = decideOn("openai/gpt-5.5", [], {
      platformKeys,
      ...(host === undefined ? {} : { host }),
      ...changes,
    });
    return decision.kind === "route" ? decision.key.keyId : inWords(decision);
  };
  const unbound = platformKeyOf("openai", { keyId: "any" });
  const first = platformKeyOf("openai", { keyId: "fleet-1", hosts: ["host-1", "host-2"] });
  const third = platformKeyOf("openai", { keyId: "fleet-3", hosts: ["host-3"] });

  test("a host gets the one that is bound to it, before one that is bound to none, in whatever order they come", () => {
    for (const order of [
      [unbound, first, third],
      [third, first, unbound],
    ]) {
      expect(["host-1", "host-2", "host-3", "host-4"].map((host) => chosen(order, host))).toEqual([
        "fleet-1",
        "fleet-1",
        "fleet-3",
        "any",
      ]);
    }
  });

  test("a host never gets one that is bound to others", () => {
    expect(chosen([first, third], "host-4")).toBe("refused MODEL_UNKNOWN");
    const dead = { ...first, state: "DEAD" as const };
    expect(chosen([dead, third], "host-1")).toBe("refused PROVIDER_UNREACHABLE");
  });

  test("a host whose own key cannot serve falls to an unbound one, and only then to another provider", () => {
    const dead = { ...first, state: "DEAD" as const };
    expect(chosen([dead, unbound, platformKeyOf("openrouter")], "host-1")).toBe("any");
    const heldBack = (key: KeyStanding) => (key.keyId === "any" ? ({ trouble: "KEY_EXHAUSTED" } as const) : undefined);
    expect(chosen([dead, unbound, platformKeyOf("openrouter")], "host-1", { heldBack })).toBe("openrouter");
  });
});
