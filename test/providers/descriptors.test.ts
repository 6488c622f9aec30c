import { expect, test } from "vitest";
import { PROVIDERS } from "../../src/base/provider.ts";
import { describeProvider, PROVIDER_DESCRIPTORS } from "../../src/providers/descriptors.ts";
import { firstPartyId, looksLikeModelOf } from "../../src/providers/model-id.ts";

test("the table holds the six providers in the order in which users see them", () => {
  expect(Object.keys(PROVIDER_DESCRIPTORS)).toEqual([...PROVIDERS]);
  for (const provider of PROVIDERS) expect(describeProvider(provider).slug).toBe(provider);
});

test("keys travel over https only, to a base URL without a trailing slash", () => {
  for (const { baseUrl, keyPageUrl, validate, models, chatPath } of Object.values(PROVIDER_DESCRIPTORS)) {
    expect(baseUrl).toMatch(/^https:\/\/[a-z.]+[a-z](?:\/[a-z0-9]+)*$/);
    expect(keyPageUrl).toMatch(/^https:\/\//);
    for (const path of [validate.path, models.path, chatPath]) expect(path).toMatch(/^(?:\/[a-z-]+)+$/);
  }
});

test("only OpenRouter connects by one click", () => {
  expect(PROVIDERS.filter((provider) => describeProvider(provider).oneClick)).toEqual(["openrouter"]);
});

test("no pattern keeps state between uses", () => {
  for (const { key, modelIds } of Object.values(PROVIDER_DESCRIPTORS)) {
    for (const pattern of [key.published, key.accepted, key.claims, key.legacy, key.rejected, ...modelIds.patterns]) {
      expect(pattern?.flags ?? "").toBe("");
    }
  }
});

test("a model id has the form of its own provider's ids", () => {
  const forms = {
    openrouter: [
      "anthropic/claude-opus-4.8",
      "~openai/gpt-latest",
      "@preset/mine",
      "z-ai/glm-5.2:free",
      "openrouter/auto",
    ],
    openai: ["gpt-5.5", "gpt-6-sol", "o3", "o4-mini", "chatgpt-4o-latest", "ft:gpt-4o-mini:org::id", "whisper-1"],
    deepseek: ["deepseek-flash", "deepseek-v4-pro"],
    groq: ["groq/compound", "groq/compound-mini", "llama-3.1-8b-instant", "whisper-large-v3-turbo"],
    xai: ["grok-4.3", "grok-latest"],
    together: ["Qwen/Qwen3.5-9B", "deepseek-ai/DeepSeek-V4-Pro", "me/Qwen/Qwen3.5-9B-FP8-bb04c904"],
  } as const;
  for (const provider of PROVIDERS) {
    for (const id of forms[provider])
      expect([provider, id, looksLikeModelOf(describeProvider(provider), id)]).toEqual([provider, id, true]);
  }
  for (const id of ["gpt-oss-120b", "openai/gpt-5.5", "o300", "orca"])
    expect(looksLikeModelOf(describeProvider("openai"), id)).toBe(false);
});

test("an author's prefix leads to the first party only for models that it serves itself", () => {
  expect(firstPartyId(describeProvider("openai"), "openai/gpt-5.5")).toBe("gpt-5.5");
  expect(firstPartyId(describeProvider("openai"), "openai/o4-mini")).toBe("o4-mini");
  expect(firstPartyId(describeProvider("openai"), "openai/gpt-oss-120b")).toBeUndefined();
  expect(firstPartyId(describeProvider("xai"), "x-ai/grok-4.3")).toBe("grok-4.3");
  expect(firstPartyId(describeProvider("deepseek"), "deepseek/deepseek-v4-pro")).toBe("deepseek-v4-pro");
  expect(firstPartyId(describeProvider("deepseek"), "deepseek-ai/DeepSeek-V4-Pro")).toBeUndefined();
  expect(firstPartyId(describeProvider("groq"), "groq/compound")).toBeUndefined();
});
