import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { describeProvider } from "../../src/providers/descriptors.ts";
import { checkKeyShape, recogniseKey, trimKey } from "../../src/providers/key-shape.ts";

const HEX32 = "0123456789abcdef".repeat(2);
// Put together here, so that no text of a key's shape stands in a file.
const KEYS: Readonly<Record<Provider, string>> = {
  openrouter: ["sk", "or", "v1", HEX32 + HEX32].join("-"),
  openai: `${["sk", "proj", "Ab_9".repeat(18)].join("-")}T3Blbk${"FJ"}${"Zy-8".repeat(18)}`,
  deepseek: ["sk", HEX32].join("-"),
  groq: ["gsk", "Ab12".repeat(13)].join("_"),
  xai: ["xai", "Ab1_".repeat(20)].join("-"),
  together: ["tgp", "v1", "Ab1".repeat(14)].join("_"),
};
const ANTHROPIC = ["sk", "ant", "api03", "Ab12".repeat(20)].join("-");
const ADMIN = `${["sk", "admin", "Ab12".repeat(14)].join("-")}T3Blbk${"FJ"}${"Ab12".repeat(14)}`;

test.each(PROVIDERS)("a key of %s is taken as its own, also with white space around it", (provider) => {
  expect(checkKeyShape(provider, KEYS[provider])).toEqual({ kind: "ok" });
  expect(checkKeyShape(provider, `  ${KEYS[provider]}\r\n`)).toEqual({ kind: "ok" });
  expect(trimKey(`\t${KEYS[provider]}\n`)).toBe(KEYS[provider]);
});

describe("a key of one provider is not shown to another", () => {
  const pairs = PROVIDERS.flatMap((wanted) => PROVIDERS.map((pasted) => ({ wanted, pasted }))).filter(
    // An OpenAI-like "sk-" is no proof against DeepSeek, but the other way round it is.
    ({ wanted, pasted }) => wanted !== pasted,
  );
  test.each(pairs)("$pasted's pasted as $wanted's", ({ wanted, pasted }) => {
    const check = checkKeyShape(wanted, KEYS[pasted]);
    expect(check).toMatchObject({ kind: "mismatch", looksLike: pasted });
    expect(check.kind === "mismatch" && check.hint).toContain(`This looks like ${describeProvider(pasted).key.noun}`);
  });
});

test("an Anthropic key is recognised under every provider, with the advice to use an OpenRouter key for Claude", () => {
  for (const provider of PROVIDERS) {
    const check = checkKeyShape(provider, ANTHROPIC);
    expect(check).toMatchObject({ kind: "mismatch", looksLike: "anthropic" });
    expect(check.kind === "mismatch" && check.hint).toContain("OpenRouter key for Claude");
  }
});

test("an OpenAI admin key is refused before it is sent anywhere", () => {
  expect(checkKeyShape("openai", ADMIN)).toMatchObject({ kind: "mismatch", looksLike: "openai-admin" });
});

test("a DeepSeek key is never said to be OpenAI's", () => {
  expect(recogniseKey(KEYS.deepseek)).toBeUndefined();
});

test("length alone is no reason to refuse a key", () => {
  for (const provider of PROVIDERS) {
    expect(checkKeyShape(provider, KEYS[provider].slice(0, -7))).toEqual({ kind: "ok" });
    expect(checkKeyShape(provider, `${KEYS[provider]}0123`)).toEqual({ kind: "ok" });
  }
  expect(checkKeyShape("together", HEX32 + HEX32)).toEqual({ kind: "ok" });
  expect(checkKeyShape("openai", ["sk", "Ab12".repeat(5) + "T3BlbkFJ".slice(0, 4)].join("-"))).toEqual({ kind: "ok" });
});

test("what cannot be a key is refused: nothing, too much, spaces inside, letters beyond ASCII, control characters", () => {
  const key = KEYS.groq;
  for (const text of [
    "",
    "   ",
    `${key} ${key}`,
    `${key.slice(0, 20)}\n${key.slice(20)}`,
    `${key}é`,
    `${key}\u200b`,
    `${key}\0`,
    `"${key}"`,
    `KEY=${key}`,
    key.repeat(10),
  ]) {
    expect(checkKeyShape("groq", text).kind).toBe("mismatch");
  }
});

test("no hint holds any part of the key, whatever was pasted", () => {
  const beginnings = [
    "",
    ...Object.values(KEYS).map((key) => key.slice(0, 8)),
    ANTHROPIC.slice(0, 8),
    ADMIN.slice(0, 10),
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...PROVIDERS),
      fc.constantFrom(...beginnings),
      fc.string({ minLength: 8, maxLength: 60, unit: fc.constantFrom(..."qzjxkvwQZJXKVW0123456789 é\n") }),
      (provider, beginning, rest) => {
        const check = checkKeyShape(provider, `${beginning}${rest}`);
        if (check.kind === "ok") return;
        for (let at = 0; at + 5 <= rest.length; at += 1) {
          if (rest.slice(at, at + 5).trim() !== "") expect(check.hint).not.toContain(rest.slice(at, at + 5));
        }
      },
    ),
  );
});
