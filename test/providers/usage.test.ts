import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { type NormalisedUsage, normaliseUsage } from "../../src/providers/usage.ts";

function usageOf(provider: Provider, usage: object): NormalisedUsage {
  const result = normaliseUsage(provider, usage);
  if (result.kind !== "usage") throw new Error(`${result.problem.path}: ${result.problem.what}`);
  return result.usage;
}

test("OpenRouter: cached, written and reasoning tokens are taken out of the totals, and the cost is exact", () => {
  const usage = {
    prompt_tokens: 1000,
    completion_tokens: 300,
    total_tokens: 1300,
    cost: 0.0123456785,
    prompt_tokens_details: { cached_tokens: 600, cache_write_tokens: 100 },
    completion_tokens_details: { reasoning_tokens: 120 },
  };
  expect(usageOf("openrouter", usage)).toEqual({
    inputUncached: 300n,
    cacheRead: 600n,
    cacheWrite: 100n,
    output: 180n,
    reasoning: 120n,
    providerCostUsdNano: 12_345_678n,
    complete: true,
  });
});

test("DeepSeek: hits and misses make the input, with or without the total", () => {
  const parts = { prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36, completion_tokens: 10 };
  const expected = { inputUncached: 36n, cacheRead: 64n, cacheWrite: 0n, output: 10n, reasoning: 0n, complete: true };
  expect(usageOf("deepseek", { prompt_tokens: 100, ...parts })).toEqual(expected);
  expect(usageOf("deepseek", parts)).toEqual(expected);
});

test("xAI: reasoning stands beside the completion, cached input may exceed the prompt, and ticks are 10^-10 dollars", () => {
  const usage = {
    prompt_tokens: 32,
    completion_tokens: 9,
    total_tokens: 135,
    prompt_tokens_details: { cached_tokens: 6 },
    completion_tokens_details: { reasoning_tokens: 94 },
    cost_in_usd_ticks: 37_756_000,
  };
  expect(usageOf("xai", usage)).toEqual({
    inputUncached: 26n,
    cacheRead: 6n,
    cacheWrite: 0n,
    output: 9n,
    reasoning: 94n,
    providerCostUsdNano: 3_775_600n,
    complete: true,
  });
  expect(usageOf("xai", { ...usage, prompt_tokens_details: { cached_tokens: 40 } })).toMatchObject({
    inputUncached: 32n,
    cacheRead: 40n,
    complete: true,
  });
});

test("Together: totals are enough", () => {
  expect(usageOf("together", { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 })).toEqual({
    inputUncached: 5n,
    cacheRead: 0n,
    cacheWrite: 0n,
    output: 7n,
    reasoning: 0n,
    complete: true,
  });
});

test.each(PROVIDERS)("%s: usage that lacks a total is never complete", (provider) => {
  for (const usage of [
    {},
    { prompt_tokens: 5 },
    { completion_tokens: 5 },
    { prompt_tokens: null, completion_tokens: 2 },
  ]) {
    expect(usageOf(provider, usage).complete).toBe(false);
  }
});

describe("a count that is none is a problem that names its place", () => {
  const bad = [
    { value: -1, what: "negative" },
    { value: "-3", what: "negative" },
    { value: 1.5, what: "fractional" },
    { value: "2.25", what: "fractional" },
    { value: Number.NaN, what: "not_a_number" },
    { value: "many", what: "not_a_number" },
    { value: "", what: "not_a_number" },
    { value: true, what: "not_a_number" },
    { value: {}, what: "not_a_number" },
    { value: Number.POSITIVE_INFINITY, what: "too_large" },
    { value: 1e15 + 1, what: "too_large" },
    { value: "9".repeat(40), what: "too_large" },
  ];
  test.each(bad)("$value is $what", ({ value, what }) => {
    const usage = { prompt_tokens: 1, completion_tokens: 1, completion_tokens_details: { reasoning_tokens: value } };
    expect(normaliseUsage("openai", usage)).toEqual({
      kind: "problem",
      problem: { path: "completion_tokens_details.reasoning_tokens", what },
    });
  });
  test("a cost that is none", () => {
    const cost = (value: unknown) =>
      normaliseUsage("openrouter", { prompt_tokens: 1, completion_tokens: 1, cost: value });
    expect(cost(-0.5)).toEqual({ kind: "problem", problem: { path: "cost", what: "negative" } });
    expect(cost("free")).toEqual({ kind: "problem", problem: { path: "cost", what: "not_a_number" } });
    expect(cost(1e20)).toEqual({ kind: "problem", problem: { path: "cost", what: "too_large" } });
  });
});

const count = fc.integer({ min: 0, max: 1_000_000_000 });
const written = <T>(value: T) => fc.constantFrom<T | string>(value, String(value));

test("the parts are disjoint: input parts sum to the provider's input total, output and reasoning to its output total", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...PROVIDERS),
      fc.record({ uncached: count, read: count, write: count, output: count, reasoning: count }),
      (provider, t) => {
        const writes = provider === "openrouter" || provider === "openai" ? t.write : 0;
        const input = t.uncached + t.read + writes;
        const usage = {
          prompt_tokens: input,
          completion_tokens: provider === "xai" ? t.output : t.output + t.reasoning,
          prompt_tokens_details: { cached_tokens: t.read, cache_write_tokens: writes },
          ...(provider === "deepseek"
            ? { prompt_cache_hit_tokens: t.read, prompt_cache_miss_tokens: t.uncached + writes }
            : {}),
          completion_tokens_details: { reasoning_tokens: t.reasoning },
        };
        expect(usageOf(provider, usage)).toEqual({
          inputUncached: BigInt(t.uncached),
          cacheRead: BigInt(t.read),
          cacheWrite: BigInt(writes),
          output: BigInt(t.output),
          reasoning: BigInt(t.reasoning),
          complete: true,
        });
      },
    ),
  );
});

test("totals hold and no part is negative, even where a provider contradicts itself", () => {
  const any = count.chain(written);
  fc.assert(
    fc.property(
      fc.constantFrom(...PROVIDERS),
      any,
      any,
      any,
      any,
      any,
      (provider, input, read, write, output, reasoning) => {
        const usage = usageOf(provider, {
          prompt_tokens: input,
          completion_tokens: output,
          prompt_tokens_details: { cached_tokens: read, cache_write_tokens: write },
          completion_tokens_details: { reasoning_tokens: reasoning },
        });
        const cachedBeside = provider === "xai" && Number(read) > Number(input);
        const inputTotal = BigInt(input) + (cachedBeside ? BigInt(read) : 0n);
        const outputTotal = BigInt(output) + (provider === "xai" ? BigInt(reasoning) : 0n);
        expect(usage.inputUncached + usage.cacheRead + usage.cacheWrite).toBe(inputTotal);
        expect(usage.output + usage.reasoning).toBe(outputTotal);
        for (const part of [usage.inputUncached, usage.cacheRead, usage.cacheWrite, usage.output, usage.reasoning]) {
          expect(part >= 0n).toBe(true);
        }
      },
    ),
  );
});

test("nothing that JSON can hold makes it throw", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...PROVIDERS),
      fc.dictionary(
        fc.constantFrom(
          "prompt_tokens",
          "completion_tokens",
          "prompt_tokens_details",
          "completion_tokens_details",
          "cost",
          "cost_in_usd_ticks",
          "__proto__",
          "constructor",
        ),
        fc.jsonValue(),
      ),
      (provider, usage) => {
        normaliseUsage(provider, usage);
      },
    ),
  );
});

test("ticks that are not whole nano dollars are rounded half to even", () => {
  const nano = (ticks: unknown) =>
    usageOf("xai", { prompt_tokens: 1, completion_tokens: 1, cost_in_usd_ticks: ticks }).providerCostUsdNano;
  expect(nano(15)).toBe(2n);
  expect(nano(25)).toBe(2n);
  expect(nano("26")).toBe(3n);
  expect(nano(1e12)).toBe(100_000_000_000n);
  expect(nano(null)).toBeUndefined();
});
