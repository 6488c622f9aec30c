import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { baseUrlOf } from "../../src/providers/base-url.ts";
import { describeProvider } from "../../src/providers/descriptors.ts";
import { normaliseUsage } from "../../src/providers/usage.ts";
import { type ProviderSimulators, startProviderSimulators } from "./start.ts";

const MODELS: Readonly<Record<Provider, string>> = {
  openrouter: "anthropic/claude-opus-4.8",
  openai: "gpt-5.5",
  deepseek: "deepseek-flash",
  groq: "openai/gpt-oss-120b",
  xai: "grok-4.3",
  together: "Qwen/Qwen3.5-397B-A17B",
};
const MESSAGES = [{ role: "user" as const, content: "one two three four" }];
const SCRIPT = { input: 100, cacheRead: 60, output: 9, reasoning: 20 };

let simulators: ProviderSimulators;
beforeAll(async () => {
  simulators = await startProviderSimulators();
});
afterEach(() => {
  for (const provider of PROVIDERS) simulators[provider].setFault(undefined);
});
afterAll(async () => {
  await simulators.close();
});

function client(provider: Provider, apiKey: string): OpenAI {
  return new OpenAI({
    apiKey,
    baseURL: baseUrlOf(describeProvider(provider), simulators.urls[provider]),
    maxRetries: 0,
  });
}

describe.each(PROVIDERS)("the real SDK against the simulated %s", (provider) => {
  const model = MODELS[provider];
  // Together AI tells totals only, so its reasoning cannot be told from its output.
  const expected =
    provider === "together"
      ? { inputUncached: 100n, cacheRead: 0n, cacheWrite: 0n, output: 29n, reasoning: 0n, complete: true }
      : { inputUncached: 40n, cacheRead: 60n, cacheWrite: 0n, output: 9n, reasoning: 20n, complete: true };

  test("a whole completion, with usage that normalises to what was used", async () => {
    const key = simulators[provider].mintKey();
    simulators[provider].scriptUsage(key, SCRIPT);
    const answer = await client(provider, key).chat.completions.create({ model, messages: MESSAGES });
    expect(answer.choices[0]?.message.content).toBe("You said: one two three four");
    expect(answer.choices[0]?.finish_reason).toBe("stop");
    expect(normaliseUsage(provider, answer.usage ?? {})).toMatchObject({ kind: "usage", usage: expected });
    expect(simulators[provider].spendOf(key)).toMatchObject({ calls: 1, inputTokens: 100, outputTokens: 29 });
  });

  test("a stream, whose usage comes when it is asked for", async () => {
    const key = simulators[provider].mintKey();
    simulators[provider].scriptUsage(key, SCRIPT);
    for (const include_usage of [true, false]) {
      const stream = await client(provider, key).chat.completions.create({
        model,
        messages: MESSAGES,
        stream: true,
        stream_options: { include_usage },
      });
      let text = "";
      let usage: object | undefined;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        usage = chunk.usage ?? usage;
      }
      expect(text).toBe("You said: one two three four");
      if (include_usage || describeProvider(provider).usage.streamed === "always") {
        expect(normaliseUsage(provider, usage ?? {})).toMatchObject({ kind: "usage", usage: expected });
      } else {
        expect(usage).toBeUndefined();
      }
    }
  });

  test("the request's own limit cuts the answer", async () => {
    const answer = await client(provider, simulators[provider].mintKey()).chat.completions.create({
      model,
      messages: MESSAGES,
      max_tokens: 3,
    });
    expect(answer.choices[0]).toMatchObject({ finish_reason: "length", message: { content: "You said: one" } });
  });

  test("revoked, empty and slowed keys are refused at the call with the provider's own status", async () => {
    const simulator = simulators[provider];
    const refusals = {
      revoked: provider === "xai" ? 400 : 401,
      no_credit: { openrouter: 402, openai: 429, deepseek: 402, groq: 400, xai: 403, together: 402 }[provider],
      rate_limited: 429,
    } as const;
    for (const condition of ["revoked", "no_credit", "rate_limited"] as const) {
      const key = simulator.mintKey();
      simulator.setCondition(key, condition);
      await expect(client(provider, key).chat.completions.create({ model, messages: MESSAGES })).rejects.toMatchObject({
        status: refusals[condition],
      });
      simulator.heal(key);
      await client(provider, key).chat.completions.create({ model, messages: MESSAGES });
    }
  });

  test("a stream that breaks off reaches the caller as an error or as an end without usage", async () => {
    simulators[provider].setFault({ kind: "cut_stream", afterChunks: 2 }, "call");
    const stream = await client(provider, simulators[provider].mintKey()).chat.completions.create({
      model,
      messages: MESSAGES,
      stream: true,
      stream_options: { include_usage: true },
    });
    const read = async () => {
      for await (const chunk of stream) if (chunk.usage) throw new Error("usage came");
    };
    await expect(read()).rejects.not.toThrow("usage came");
  });

  test("no request log entry holds a key", async () => {
    const key = simulators[provider].mintKey();
    await client(provider, key).chat.completions.create({ model, messages: MESSAGES });
    expect(simulators[provider].requests.at(-1)).toEqual({
      method: "POST",
      path: expect.stringMatching(/\/chat\/completions$/),
      key: simulators[provider].idOf(key),
      model,
      status: 200,
    });
    expect(JSON.stringify(simulators[provider].requests)).not.toContain(key.slice(12));
  });
});

test("an OpenRouter key that has spent its own limit has no credit, and its page shows what is left", async () => {
  const key = simulators.openrouter.mintKey({ limitUsd: 0.001 });
  simulators.openrouter.scriptUsage(key, { input: 0, output: 100 });
  const call = () =>
    client("openrouter", key).chat.completions.create({ model: MODELS.openrouter, messages: MESSAGES });
  await call();
  await expect(call()).rejects.toMatchObject({ status: 402 });
  expect(simulators.openrouter.spendOf(key).costTicks).toBe(15_000_000);
});

test("OpenRouter pages its list when asked, serves /models to anybody and /models/user to keys alone", async () => {
  const { origin } = simulators.openrouter;
  const read = async (path: string, key?: string) => {
    const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const response = await fetch(`${origin}/api/v1${path}`, { headers });
    return {
      status: response.status,
      body: (await response.json()) as { data?: unknown[]; links?: { next: string | null } },
    };
  };
  const key = simulators.openrouter.mintKey();
  expect((await read("/models")).status).toBe(200);
  expect((await read("/models/user")).status).toBe(401);
  const whole = await read("/models/user", key);
  expect(whole.body.links?.next).toBeNull();
  const first = await read("/models/user?offset=0&limit=6", key);
  expect(first.body.data).toHaveLength(6);
  const next = first.body.links?.next ?? "";
  const second = await read(next.slice(next.indexOf("/models")), key);
  expect([...(first.body.data ?? []), ...(second.body.data ?? [])]).toEqual(whole.body.data);
});
