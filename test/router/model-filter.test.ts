import { expect, test } from "vitest";
import { matchesTexts, readModelFilter } from "../../src/router/model-filter.ts";

const filterOf = (text: string) => {
  const read = readModelFilter(text);
  return read.kind === "ok" ? read.filter : read.problem;
};

test.each([
  ["", { texts: [] }],
  ["  Claude ", { texts: ["claude"] }],
  ["llama 3.3", { texts: ["llama", "3.3"] }],
  ["llama AND 3.3", { texts: ["llama", "3.3"] }],
  ["AND", { texts: ["and"] }],
  ['"llama 3.3" payer=BYOK', { texts: ["llama 3.3"], payer: "BYOK" }],
  ['"a \\"b\\" \\\\" provider = groq', { texts: ['a "b" \\'], provider: "groq" }],
  ["payer = HOSTED AND provider = openai AND gpt", { texts: ["gpt"], payer: "HOSTED", provider: "openai" }],
  ['"="', { texts: ["="] }],
  ["ft:gpt-4o:org::id", { texts: ["ft:gpt-4o:org::id"] }],
])("%s is read", (text, filter) => {
  expect(filterOf(text)).toEqual(filter);
});

test.each([
  ['"open', "has a quote that does not end, or a character that belongs to nothing"],
  ["= openai", "a comparison begins with provider or payer"],
  ["name = x", "compares a field that models are not filtered by"],
  ["payer > BYOK", "payer is compared by = only"],
  ["payer = ME", "payer is one of BYOK, HOSTED"],
  ["payer =", "payer is one of BYOK, HOSTED"],
  ["provider = OPENAI", "provider is one of openrouter, openai, deepseek, groq, xai, together"],
  ["payer=BYOK payer=BYOK", "names payer twice"],
  ["a b c d e f g h i j k", "looks for more than 10 texts"],
  ["x".repeat(1_001), "must be at most 1000 characters"],
])("%s is refused", (text, problem) => {
  expect(filterOf(text)).toBe(problem);
});

test("texts are looked for in the id and the name, without regard to case, each by itself", () => {
  const matches = (text: string) => {
    const read = readModelFilter(text);
    return read.kind === "ok" && matchesTexts(read.filter, "Qwen/Qwen3.5-9B", "Qwen 3.5 (nine)");
  };
  expect(["", "qwen", "QWEN3.5-9b", '"3.5 (NINE"', "nine 9b"].map(matches)).toEqual([true, true, true, true, true]);
  expect(["qwen4", "9b qwen4", '"9B Qwen"'].map(matches)).toEqual([false, false, false]);
});
