import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { Secret } from "../../src/base/secret.ts";
import { describeProvider } from "../../src/providers/descriptors.ts";
import { checkKeyShape } from "../../src/providers/key-shape.ts";
import { createProber } from "../../src/providers/prober.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { CONDITIONS } from "./conditions.ts";

const clock = manualClock(Date.UTC(2026, 10, 1));
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

function probe(provider: Provider, keyText: string, options: { deadlineMs?: number; signal?: AbortSignal } = {}) {
  const limits = options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs };
  const prober = createProber({ urls: simulators.urls, clock, limits });
  return prober.probe(provider, Secret.fromText(keyText), options.signal);
}

test.each(CONDITIONS)(
  "%s: a key that is %s is found %s over the wire, and the verdict holds no part of it",
  async (provider, condition, outcome) => {
    const simulator = simulators[provider];
    const key = simulator.mintKey();
    simulator.setCondition(key, condition);
    const verdict = await probe(provider, key);
    expect(verdict.outcome).toBe(outcome);
    if (condition === "rate_limited") expect(verdict.retryAfterMs).toBe(7_000);
    const shown = JSON.stringify(verdict, (_name, value: unknown) =>
      typeof value === "bigint" ? value.toString() : value,
    );
    for (let at = key.length - 4; at >= 8; at -= 4) expect(shown).not.toContain(key.slice(at, at + 4));
  },
);

describe.each(PROVIDERS)("%s", (provider) => {
  test("a key that it never issued is invalid, and a minted one has its published shape", async () => {
    const key = simulators[provider].mintKey();
    expect(key).toMatch(describeProvider(provider).key.published);
    expect(checkKeyShape(provider, key)).toEqual({ kind: "ok" });
    const mistyped = `${key.slice(0, -1)}${key.endsWith("a") ? "b" : "a"}`;
    expect((await probe(provider, mistyped)).outcome).toBe("invalid");
  });

  test.each([
    { kind: "status", status: 500 },
    { kind: "status", status: 503 },
    { kind: "html", status: 200 },
    { kind: "html", status: 502 },
    { kind: "text", status: 500, body: "upstream connect error" },
    { kind: "reset" },
    { kind: "hang" },
    { kind: "slow_body" },
  ] as const)("trouble of its own ($kind) is never a bad key", async (fault) => {
    const key = simulators[provider].mintKey();
    simulators[provider].setFault(fault);
    expect((await probe(provider, key, { deadlineMs: 150 })).outcome).toBe("unknown");
  });

  test("when it is down the key is not judged, and the reason says so", async () => {
    const key = simulators[provider].mintKey();
    await simulators[provider].goDown();
    const verdict = await probe(provider, key);
    await simulators[provider].comeBack();
    expect(verdict).toEqual({ outcome: "unknown", reason: expect.stringContaining("could not be reached") });
    expect((await probe(provider, key)).outcome).toBe("valid");
  });

  test("a redirect is not followed: the key reaches no other host", async () => {
    let visits = 0;
    const elsewhere = createServer((_request, response) => {
      visits += 1;
      response.end("{}");
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const { port } = elsewhere.address() as AddressInfo;
    simulators[provider].setFault({ kind: "redirect", to: `http://127.0.0.1:${port}/` });
    const verdict = await probe(provider, simulators[provider].mintKey());
    await new Promise((resolve) => elsewhere.close(resolve));
    expect(verdict).toMatchObject({ outcome: "unknown", httpStatus: 307 });
    expect(visits).toBe(0);
  });

  test("one probe is one GET of the validation endpoint", async () => {
    const simulator = simulators[provider];
    const key = simulator.mintKey();
    const before = simulator.requests.length;
    await probe(provider, key);
    const base = new URL(describeProvider(provider).baseUrl).pathname.replace(/^\/$/, "");
    expect(simulator.requests.slice(before)).toEqual([
      {
        method: "GET",
        path: `${base}${describeProvider(provider).validate.path}`,
        key: simulator.idOf(key),
        status: 200,
      },
    ]);
  });
});

test.each(["openai", "groq", "together"] as const)(
  "%s: a list of many megabytes is read no further than the bound, and the key is live",
  async (provider) => {
    simulators[provider].setFault({ kind: "huge_list", bytes: 5_000_000 });
    expect((await probe(provider, simulators[provider].mintKey())).outcome).toBe("valid");
  },
);

test("OpenRouter's allowance comes with the verdict", async () => {
  const key = simulators.openrouter.mintKey({ limitUsd: 12.5, expiresAt: "2027-06-01T00:00:00Z" });
  expect((await probe("openrouter", key)).limits).toEqual({
    limitUsdNano: 12_500_000_000n,
    remainingUsdNano: 12_500_000_000n,
    expireMs: Date.UTC(2027, 5, 1),
  });
});

test("an OpenRouter account without credit, which the key's page does not show, is valid to the probe", async () => {
  const key = simulators.openrouter.mintKey();
  simulators.openrouter.setNoCredit(key, { seenByGet: false });
  expect((await probe("openrouter", key)).outcome).toBe("valid");
});

test("bytes that no header can carry are an invalid key and are sent nowhere", async () => {
  const before = simulators.groq.requests.length;
  for (const text of ["", "gsk\n", "gsk é", "gsk\0"]) expect((await probe("groq", text)).outcome).toBe("invalid");
  expect(simulators.groq.requests.length).toBe(before);
});

test("whatever fetch throws becomes a verdict that quotes nothing of it", async () => {
  const canary = "canary-in-the-error";
  const prober = createProber({ clock, fetch: () => Promise.reject(new TypeError(`Headers.append: ${canary}`)) });
  const verdict = await prober.probe("openai", Secret.fromText(canary));
  expect(verdict.outcome).toBe("unknown");
  expect(JSON.stringify(verdict)).not.toContain(canary);
});

test("a caller that goes away ends its probe with CANCELLED", async () => {
  simulators.groq.setFault({ kind: "hang" });
  const seen = simulators.groq.requests.length;
  const gone = new AbortController();
  const probing = probe("groq", simulators.groq.mintKey(), { signal: gone.signal });
  await expect.poll(() => simulators.groq.requests.length).toBe(seen + 1);
  gone.abort();
  await expect(probing).rejects.toMatchObject({ reason: "CANCELLED" });
  await expect(probe("groq", simulators.groq.mintKey(), { signal: gone.signal })).rejects.toMatchObject({
    reason: "CANCELLED",
  });
});
