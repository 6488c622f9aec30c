import { expect, test } from "vitest";
import { PROVIDERS } from "../../src/base/provider.ts";
import { CATALOGUE, createCatalogue } from "../../src/router/catalogue.ts";
import { suggestModels } from "../../src/router/suggest.ts";

test("every model is found by every id that names it, and by nothing else", () => {
  for (const model of CATALOGUE.models) {
    for (const id of [model.id, ...Object.values(model.ids)]) expect(CATALOGUE.find(id)).toBe(model);
    expect(CATALOGUE.find(model.id.toUpperCase())).toBeUndefined();
  }
  for (const id of ["", "constructor", "__proto__", "openai/", "gpt"]) expect(CATALOGUE.find(id)).toBeUndefined();
});

test("an id that would name two models is refused", () => {
  const model = (id: string) => ({ id, displayName: id, ids: { openai: "same" } });
  expect(() => createCatalogue([model("a/1"), model("a/2")])).toThrow("names two models");
});

test("sizes and prices are whole and sound: nothing is free, reading a cache is not dearer than input, long calls are not cheaper", () => {
  expect(CATALOGUE.models.length).toBeGreaterThanOrEqual(300);
  for (const { id, ids, hosting } of CATALOGUE.models) {
    expect(
      Object.keys(ids).filter((slug) => !(PROVIDERS as readonly string[]).includes(slug)),
      id,
    ).toEqual([]);
    expect(Object.keys(ids).length, id).toBeGreaterThan(0);
    if (hosting === undefined) continue;
    const { contextTokens, maxOutputTokens, listPrice } = hosting;
    expect(Number.isSafeInteger(contextTokens) && Number.isSafeInteger(maxOutputTokens), id).toBe(true);
    expect(maxOutputTokens, id).toBeLessThanOrEqual(contextTokens);
    expect(maxOutputTokens, id).toBeGreaterThan(0);
    for (const price of [listPrice, ...(listPrice.long === undefined ? [] : [listPrice.long])]) {
      expect(price.input, id).toBeGreaterThan(0);
      expect(price.output, id).toBeGreaterThan(0);
      expect(price.cacheRead ?? price.input, id).toBeLessThanOrEqual(price.input);
      // Nano US dollars per million tokens hold every price exactly.
      for (const usd of [price.input, price.output, price.cacheRead ?? 0, price.cacheWrite ?? 0]) {
        expect(Math.abs(usd * 1e9 - Math.round(usd * 1e9)), id).toBeLessThan(1e-3);
      }
    }
    if (listPrice.long === undefined) continue;
    expect(listPrice.long.aboveInputTokens, id).toBeLessThan(contextTokens);
    expect(listPrice.long.input, id).toBeGreaterThanOrEqual(listPrice.input);
    expect(listPrice.long.output, id).toBeGreaterThanOrEqual(listPrice.output);
  }
});

test.each([
  ["OpenAI/GPT-5.5", "openai/gpt-5.5"],
  ["openai/gpt5.5", "openai/gpt-5.5"],
  ["claude-sonet-4.5", "anthropic/claude-sonnet-4.5"],
  ["qwen/Qwen3.5-397B-A17B", "qwen/qwen3.5-397b-a17b"],
  ["grok4.3", "x-ai/grok-4.3"],
])("%s may have meant %s", (name, meant) => {
  expect(suggestModels(name, CATALOGUE)[0]).toBe(meant);
});

test("suggestions are few, and none is made for what resembles nothing or is too long to be a slip", () => {
  expect(suggestModels("openai/gpt-5.0", CATALOGUE).length).toBeLessThanOrEqual(3);
  for (const name of ["", "a", "o9", "totally-different-thing", "gpt-5.5".repeat(30)]) {
    expect(suggestModels(name, CATALOGUE), name).toEqual([]);
  }
});
