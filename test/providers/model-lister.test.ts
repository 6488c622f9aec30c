import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { Secret } from "../../src/base/secret.ts";
import { createModelLister } from "../../src/providers/model-lister.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";

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

const NEVER = new AbortController().signal;

/** Asks a simulated provider for its list with a key that it minted. */
function list(provider: Provider, options: { readonly deadlineMs?: number; readonly signal?: AbortSignal } = {}) {
  const { signal = NEVER, ...limits } = options;
  const lister = createModelLister({ urls: simulators.urls, clock: systemClock, ...limits });
  return lister.list(provider, Secret.fromText(simulators[provider].mintKey()), signal);
}

/** The ids of a list, or why there is none. */
async function idsOf(outcome: ReturnType<typeof list>): Promise<readonly string[] | string> {
  const found = await outcome;
  return found.kind === "listed" ? found.models.map(({ id }) => id) : found.failure;
}

/** A provider that answers every GET by its path and query; asked without a key unless one is given. */
async function listFrom(provider: Provider, answers: (path: string) => unknown, secret?: Secret) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const body = answers(request.url ?? "");
    response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const lister = createModelLister({ urls: { [provider]: origin }, clock: systemClock });
    return { outcome: await lister.list(provider, secret, NEVER), asked };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test.each(PROVIDERS)(
  "%s: the models that its list names are read, and nothing that holds no chats",
  async (provider) => {
    const ids = await idsOf(list(provider));
    expect(ids.length).toBeGreaterThan(1);
    for (const id of ids) expect(id).not.toMatch(/embedding|whisper|FLUX|imagine|tts/);
  },
);

test("Together's bare array, its names and its context lengths are read", async () => {
  expect(await list("together")).toMatchObject({
    models: expect.arrayContaining([
      {
        id: "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        displayName: "Llama-3.3-70B-Instruct-Turbo",
        contextTokens: 131_072,
      },
    ]),
  });
});

test("OpenRouter's public list is asked for without a key", async () => {
  const { outcome, asked } = await listFrom("openrouter", () => ({ data: [{ id: "a/b" }] }));
  expect(outcome).toEqual({ kind: "listed", models: [{ id: "a/b" }] });
  expect(asked).toEqual(["/api/v1/models"]);
});

test("xAI's list has a root of its own, aliases are ids too, and a model that is called latest has its name among them", async () => {
  const models = [
    { id: "latest", aliases: ["grok-9", "grok-9-0101"] },
    { id: "grok-8", aliases: ["grok-8"] },
  ];
  const { outcome } = await listFrom("xai", () => ({ models }), Secret.fromText("key"));
  expect(outcome).toEqual({
    kind: "listed",
    models: [{ id: "grok-9", aliases: ["latest", "grok-9-0101"] }, { id: "grok-8" }],
  });
});

test("a key that xAI's list of language models is not there for gets the general list", async () => {
  const answers = (path: string) =>
    path === "/v1/models" ? { data: [{ id: "grok-8" }, { id: "grok-imagine-1" }] } : undefined;
  const { outcome, asked } = await listFrom("xai", answers, Secret.fromText("key"));
  expect(outcome).toEqual({ kind: "listed", models: [{ id: "grok-8" }] });
  expect(asked).toEqual(["/v1/language-models", "/v1/models"]);
});

test("pages are followed by offset, never by the link that the answer holds", async () => {
  const pages: Readonly<Record<string, unknown>> = {
    "/api/v1/models": { data: [{ id: "a/1" }, { id: "a/2" }], links: { next: "https://elsewhere.example/models" } },
    "/api/v1/models?offset=2&limit=1000": { data: [{ id: "a/3" }], links: { next: null } },
  };
  const { outcome, asked } = await listFrom("openrouter", (path) => pages[path]);
  expect(outcome).toMatchObject({ models: [{ id: "a/1" }, { id: "a/2" }, { id: "a/3" }] });
  expect(asked).toEqual(Object.keys(pages));
});

test("a list without an end is given up after twenty pages", async () => {
  const page = { data: [{ id: "a/1" }], links: { next: "more" } };
  const { outcome, asked } = await listFrom("openrouter", () => page);
  expect(outcome).toEqual({ kind: "failed", failure: "TOO_LARGE" });
  expect(asked).toHaveLength(20);
});

test("strange entries are passed over, and strange names and sizes left out", async () => {
  const data = [
    null,
    "text",
    { id: 7 },
    { id: "" },
    { id: "with space" },
    { id: "with\u202eoverride" },
    { id: "x".repeat(257) },
    { id: "x".repeat(256), name: "n".repeat(257), context_length: -1 },
    { id: "a/b", name: "Line\nbreak", context_length: "4096" },
    { id: "a/b", name: "Twice" },
    { id: "a/image", architecture: { output_modalities: ["image"] } },
    { id: "a/c", name: "Fine", context_length: 4_096, architecture: { output_modalities: ["text", "image"] } },
  ];
  const { outcome } = await listFrom("openrouter", () => ({ data }));
  expect(outcome).toEqual({
    kind: "listed",
    models: [{ id: "x".repeat(256) }, { id: "a/b" }, { id: "a/c", displayName: "Fine", contextTokens: 4_096 }],
  });
});

test("five thousand models are believed", async () => {
  simulators.groq.setFault({ kind: "many_models", count: 4_999 }, "get");
  expect(await idsOf(list("groq"))).toHaveLength(4_999);
});

describe("a list that is not one", () => {
  test.each([
    [{ kind: "many_models", count: 100_000 }, "TOO_LARGE"],
    [{ kind: "many_models", count: 5_001 }, "TOO_LARGE"],
    // Some fifty megabytes, with what stands around the ids.
    [{ kind: "huge_list", bytes: 12_000_000 }, "TOO_LARGE"],
    [{ kind: "status", status: 500 }, "REFUSED"],
    [{ kind: "status", status: 401 }, "REFUSED"],
    [{ kind: "html", status: 200 }, "NOT_A_LIST"],
    [{ kind: "text", status: 200, body: '{"data":{"id":"a"}}' }, "NOT_A_LIST"],
    [{ kind: "text", status: 200, body: "{" }, "NOT_A_LIST"],
    [{ kind: "reset" }, "UNREACHABLE"],
    [{ kind: "hang" }, "UNREACHABLE"],
    [{ kind: "slow_body" }, "UNREACHABLE"],
  ] as const)("%j: %s", async (fault, failure) => {
    simulators.together.setFault(fault, "get");
    // The simulator, too, needs its time for fifty megabytes on a busy machine.
    const waits = { deadlineMs: failure === "UNREACHABLE" ? 200 : 25_000 };
    expect(await idsOf(list("together", waits))).toBe(failure);
  });

  test("a redirect is not followed: the key reaches nobody else", async () => {
    simulators.together.setFault({ kind: "redirect", to: `${simulators.groq.origin}/openai/v1/models` });
    const before = simulators.groq.requests.length;
    expect(await idsOf(list("together"))).toBe("REFUSED");
    expect(simulators.groq.requests.length).toBe(before);
  });

  test("a wait that the provider asks for is told", async () => {
    const key = simulators.together.mintKey();
    simulators.together.setCondition(key, "rate_limited");
    const lister = createModelLister({ urls: simulators.urls, clock: systemClock });
    expect(await lister.list("together", Secret.fromText(key), NEVER)).toEqual({
      kind: "failed",
      failure: "REFUSED",
      retryAfterMs: 7_000,
    });
  });

  test("who does not want it any more does not wait for it", async () => {
    simulators.together.setFault({ kind: "hang" });
    const ender = new AbortController();
    const asked = idsOf(list("together", { signal: ender.signal }));
    ender.abort();
    expect(await asked).toBe("UNREACHABLE");
  });

  test("a secret that no header can hold is not sent", async () => {
    const { outcome, asked } = await listFrom("groq", () => ({ data: [] }), Secret.fromText("with space"));
    expect(outcome).toEqual({ kind: "failed", failure: "REFUSED" });
    expect(asked).toEqual([]);
  });
});
