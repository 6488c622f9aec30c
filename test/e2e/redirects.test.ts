import { createServer } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { Provider as ProviderNumber } from "../../src/gen/plori/type/v1/type_pb.ts";
import { approve } from "../simulators/consent.ts";
import { given, type House, openHouse, PROVIDER_NUMBER } from "./house.ts";
import { refused } from "./refusal.ts";
import { FREE_PORTS, runMain } from "./run-main.ts";

// Whoever controls a provider's DNS, or its login page, may answer with a redirect. A credential goes to the origin that it belongs to and nowhere else.

const CALLBACK = "http://localhost:8788/connected";

/** Where redirects point to: it must never hear of anything. */
const heard: string[] = [];
const elsewhere = createServer((request, response) => {
  heard.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`);
  response.end("{}");
});
let house: House;
let target = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  const address = elsewhere.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  target = `http://127.0.0.1:${address.port}/v1/models`;
  house = await openHouse();
});
afterEach(() => {
  for (const provider of PROVIDERS) house.simulators[provider].setFault(undefined);
  expect(heard).toEqual([]);
});
afterAll(async () => {
  await house.close();
  await new Promise((resolve) => elsewhere.close(resolve));
});

function redirect(provider: Provider): void {
  house.simulators[provider].setFault({ kind: "redirect", to: target });
}

describe.each(PROVIDERS)("a redirect of %s's is not followed", (provider) => {
  const unreachable = { code: "Unavailable", reason: "PROVIDER_UNREACHABLE" };

  test("by the probe of a key that is being saved, which is no reason to call the key bad", async () => {
    const account = `save-${provider}`;
    const secret = house.simulators[provider].mintKey();
    redirect(provider);
    const { keyVault } = house.as("settings");
    expect(await refused(keyVault.connectKey({ account, provider: PROVIDER_NUMBER[provider], secret }))).toMatchObject(
      unreachable,
    );
    expect((await keyVault.listKeys({ account })).keys).toEqual([]);
  });

  test("by the probe of a stored key, asked for by its owner or by a host's report, and the key stays as it was", async () => {
    const account = `stored-${provider}`;
    await house.place(account, "agent");
    await house.connectOwn(account, provider);
    const model = `${provider}::any-model`;
    const route = await house.resolve({ account, model, callId: "c1" });
    redirect(provider);
    const named = { account, provider: PROVIDER_NUMBER[provider] };
    expect(await refused(house.as("settings").keyVault.verifyKey(named))).toMatchObject(unreachable);
    const report = { route: route.route, callId: "c1", httpStatus: 401, providerError: { code: "invalid_api_key" } };
    expect(await house.as("agent-host-1").router.reportOutcome(report)).toMatchObject({ keyState: KeyState.ACTIVE });
    await house.resolve({ account, model, callId: "c2" });
  });
});

test("a redirect of OpenRouter's exchange is not followed with the code and its verifier, and nothing is stored", async () => {
  const settings = house.as("settings").keyVault;
  const begun = await settings.beginOpenRouterConnect({ account: "one-click", callbackUrl: CALLBACK });
  const { connectId, code } = await approve(begun.authorizationUrl);
  redirect("openrouter");
  await refused(settings.completeOpenRouterConnect({ account: "one-click", connectId, code }));
  expect((await settings.listKeys({ account: "one-click" })).keys).toEqual([]);
  expect(given(house.simulators.openrouter.requests.at(-1))).toMatchObject({ path: "/api/v1/auth/keys", status: 307 });
});

test.each([
  { profile: "development", args: ["--dev"] },
  { profile: "production", args: [] },
])(
  "origins that would carry keys in the clear end the start of the $profile profile: each is named, none is shown",
  async ({ args }) => {
    const origins: Readonly<Record<Provider, string>> = {
      openrouter: "http://example.com",
      openai: "http://10.0.0.7:8080",
      deepseek: "http://127.0.0.1.example.com",
      groq: "http://localhost.example.com",
      xai: "http://0.0.0.0:8080",
      together: "http://[2001:db8::1]",
    };
    const { code, output } = await runMain(args, { ...FREE_PORTS, PLORI_PROVIDER_URLS: JSON.stringify(origins) });
    expect(code).toBe(2);
    expect(output).toContain("PLORI_PROVIDER_URLS");
    for (const [provider, origin] of Object.entries(origins)) {
      expect(output).toContain(provider);
      expect(output).not.toContain(origin);
    }
  },
);

test("a key of a provider whose origin was overridden goes to that origin alone", async () => {
  await house.place("overridden", "agent");
  await house.connectOwn("overridden", "groq");
  const route = await house.resolve({ account: "overridden", model: "groq::openai/gpt-oss-20b", callId: "c1" });
  expect(route.provider).toBe(ProviderNumber.GROQ);
  expect(route.baseUrl).toBe(`${house.simulators.groq.origin}/openai/v1`);
});
