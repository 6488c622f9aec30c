import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readModelLines, writeModelLines } from "../../src/router/catalogue/model-lines.ts";
import { CATALOGUE, MODELS_FILE } from "../../src/router/catalogue.ts";

const SOUND = {
  id: "a/m",
  name: "M",
  ids: { openrouter: "a/m" },
  contextTokens: 10,
  maxOutputTokens: 5,
  usd: { input: 1, output: 2, long: { aboveInputTokens: 6, input: 2, output: 3 } },
};

test("the catalogue's file is written as it was read, ordered by id, so that a difference shows what differs", () => {
  expect(writeModelLines(CATALOGUE.models)).toBe(readFileSync(MODELS_FILE, "utf8"));
  expect(writeModelLines(CATALOGUE.models.toReversed())).toBe(readFileSync(MODELS_FILE, "utf8"));
});

test("a line is a model, with a price or without", () => {
  const { contextTokens, maxOutputTokens, usd, ...unsold } = SOUND;
  expect(readModelLines(`${JSON.stringify(SOUND)}\n${JSON.stringify({ ...unsold, id: "a/n" })}\n`)).toEqual([
    { id: "a/m", displayName: "M", ids: SOUND.ids, hosting: { contextTokens, maxOutputTokens, listPrice: usd } },
    { id: "a/n", displayName: "M", ids: SOUND.ids },
  ]);
});

test.each([
  ["no JSON", "{"],
  ["no object", "[]"],
  ["a field that means nothing", { ...SOUND, contextLength: 3 }],
  ["no provider", { ...SOUND, ids: {} }],
  ["a provider that is none", { ...SOUND, ids: { acme: "m" } }],
  ["an id with a space", { ...SOUND, id: "a m" }],
  ["an empty id at a provider", { ...SOUND, ids: { groq: "" } }],
  ["no name", { ...SOUND, name: "" }],
  ["more output than context", { ...SOUND, maxOutputTokens: 11 }],
  ["a part of a token", { ...SOUND, contextTokens: 10.5 }],
  ["a price without its size", { ...SOUND, contextTokens: undefined }],
  ["a price of nothing", { ...SOUND, usd: { input: 0, output: 2 } }],
  ["a negative price", { ...SOUND, usd: { input: 1, output: -2 } }],
  ["a price beyond anything real", { ...SOUND, usd: { input: 1, output: 1_001 } }],
  ["a price that is text", { ...SOUND, usd: { input: "1", output: 2 } }],
  ["no price for output", { ...SOUND, usd: { input: 1 } }],
  ["long calls that begin nowhere", { ...SOUND, usd: { input: 1, output: 2, long: { input: 1, output: 2 } } }],
])("a catalogue with a line that has %s is refused as a whole, and the line named", (_what, line) => {
  const text = `${JSON.stringify(SOUND)}\n${typeof line === "string" ? line : JSON.stringify(line)}\n`;
  expect(() => readModelLines(text)).toThrow("line 2 of the catalogue is no sound model");
});
