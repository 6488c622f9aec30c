import { expect, test } from "vitest";
import { PROVIDERS } from "../../src/base/provider.ts";
import { baseUrlOf } from "../../src/providers/base-url.ts";
import { describeProvider } from "../../src/providers/descriptors.ts";
import { parseProviderUrls } from "../../src/providers/provider-urls.ts";

test("an override replaces scheme, host and port, and the provider's path follows", () => {
  expect(baseUrlOf(describeProvider("groq"))).toBe("https://api.groq.com/openai/v1");
  expect(baseUrlOf(describeProvider("groq"), "http://127.0.0.1:4010")).toBe("http://127.0.0.1:4010/openai/v1");
  expect(baseUrlOf(describeProvider("deepseek"))).toBe("https://api.deepseek.com");
  expect(baseUrlOf(describeProvider("deepseek"), "https://proxy.example:8443")).toBe("https://proxy.example:8443");
  for (const provider of PROVIDERS)
    expect(baseUrlOf(describeProvider(provider))).toBe(describeProvider(provider).baseUrl);
});

test("http is taken on loopback, in every spelling of it, and https anywhere", () => {
  const urls = (origin: string) => parseProviderUrls(JSON.stringify({ openai: origin }));
  for (const [given, origin] of [
    ["http://127.0.0.1:4010", "http://127.0.0.1:4010"],
    ["http://127.9.8.7:80/", "http://127.9.8.7"],
    ["http://2130706433:1", "http://127.0.0.1:1"],
    ["http://localhost:1", "http://localhost:1"],
    ["http://[::1]:1", "http://[::1]:1"],
    ["https://eu.openrouter.ai", "https://eu.openrouter.ai"],
  ] as const) {
    expect(urls(given)).toEqual({ kind: "urls", urls: { openai: origin } });
  }
  for (const given of [
    "http://10.0.0.1",
    "http://127.0.0.1.evil.example",
    "http://localhost.evil.example",
    "http://[::ffff:127.0.0.1]",
    "http://0.0.0.0",
  ]) {
    expect(urls(given)).toMatchObject({ kind: "problems", problems: [expect.stringContaining("loopback")] });
  }
});

test("every mistake is told at once, and no value with it", () => {
  const parsed = parseProviderUrls(
    JSON.stringify({
      openai: "http://user:hunter2@example.com/v1?a=b#c",
      xai: "ftp://127.0.0.1",
      groq: 5,
      together: "nonsense",
      anthropic: "https://api.anthropic.com",
      deepseek: "https://api.deepseek.com?",
    }),
  );
  if (parsed.kind !== "problems") throw new Error("it was taken");
  expect(parsed.problems).toHaveLength(10);
  expect(parsed.problems.join("\n")).not.toMatch(/hunter2|example\.com/);
});

test("what is no JSON object is one problem", () => {
  for (const json of ["", "{", "[]", "null", '"x"', `{"openai":"${"x".repeat(20_000)}"}`]) {
    expect(parseProviderUrls(json)).toMatchObject({ kind: "problems", problems: [expect.any(String)] });
  }
  expect(parseProviderUrls("{}")).toEqual({ kind: "urls", urls: {} });
});
