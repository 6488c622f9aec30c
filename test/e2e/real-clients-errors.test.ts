import { timestampMs } from "@bufbuild/protobuf/wkt";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { Advice } from "../../src/gen/plori/router/v1/router_service_pb.ts";
import type { ProviderSimulator } from "../simulators/simulator.ts";
import { given, type House, openHouse } from "./house.ts";
import type { ModelFailure } from "./model-clients/model-client.ts";
import { MODEL_CLIENTS } from "./model-clients/model-clients.ts";
import { refused } from "./refusal.ts";

// What goes wrong with a key in the middle of its life, as the provider's own client raises it: its error goes into a report as it is, and the report decides.

const MODELS: Readonly<Record<Provider, string>> = {
  openrouter: "anthropic/claude-opus-4.8",
  openai: "openai/gpt-5.5",
  deepseek: "deepseek/deepseek-v4-pro",
  groq: "groq::openai/gpt-oss-120b",
  xai: "x-ai/grok-4.3",
  together: "meta-llama/llama-3.3-70b-instruct",
};
const RETRY_AFTER_SECONDS = 30;

let house: House;
let accounts = 0;
/** Every message that a client raised; it may hold parts of a key. */
const raised = new Set<string>();
/** The models that each simulator knows; what a test takes away comes back. */
const models = new Map<Provider, readonly string[]>();

beforeAll(async () => {
  house = await openHouse({ PLORI_LOG_LEVEL: "debug" });
});
afterEach(() => {
  for (const provider of PROVIDERS) {
    house.simulators[provider].setFault(undefined);
    const known = models.get(provider);
    if (known !== undefined) house.simulators[provider].setModels(known);
  }
});
afterAll(() => house.close());

/** What a test does to the provider or to the key before the call. */
type Harm = (simulator: ProviderSimulator, secret: string) => void;

/** Connects a key, resolves, does the harm, makes the call, and reports what the client raised. */
async function callInTrouble(provider: Provider, harm: Harm, how: "whole" | "streamed" = "whole") {
  accounts += 1;
  const account = `trouble-${accounts}`;
  await house.place(account, "agent");
  const secret = await house.connectOwn(account, provider);
  const wanted = { account, model: MODELS[provider], callId: "c1" };
  const route = await house.resolve(wanted);
  harm(house.simulators[provider], secret);
  const client = MODEL_CLIENTS[provider];
  const failure = await client[how](route, "Hello").then(
    () => {
      throw new Error("the call was answered");
    },
    (error: unknown) => client.failureOf(error),
  );
  raised.add(failure.message);
  const { code, message, retryAfterSeconds } = failure;
  const report = await house.as("agent-host-1").router.reportOutcome({
    route: route.route,
    callId: "c1",
    httpStatus: failure.httpStatus,
    providerError: { code, message },
    ...(retryAfterSeconds === undefined ? {} : { retryAfter: { seconds: BigInt(retryAfterSeconds), nanos: 0 } }),
  });
  return { failure, report, resolveAgain: () => house.resolve({ ...wanted, callId: "c2" }) };
}

/** The status by which each provider says so; the code of its error, as far as it has one. */
type Told = Readonly<Record<Provider, Pick<ModelFailure, "httpStatus" | "code">>>;

const REVOKED: Told = {
  openrouter: { httpStatus: 401, code: "401" },
  openai: { httpStatus: 401, code: "invalid_api_key" },
  deepseek: { httpStatus: 401, code: "invalid_request_error" },
  groq: { httpStatus: 401, code: "invalid_api_key" },
  xai: { httpStatus: 400, code: "Client specified an invalid argument" },
  together: { httpStatus: 401, code: "invalid_api_key" },
};
const NO_CREDIT: Told = {
  openrouter: { httpStatus: 402, code: "402" },
  openai: { httpStatus: 429, code: "insufficient_quota" },
  deepseek: { httpStatus: 402, code: "invalid_request_error" },
  groq: { httpStatus: 400, code: "blocked_api_access" },
  xai: { httpStatus: 403, code: "The caller does not have permission to execute the specified operation" },
  together: { httpStatus: 402, code: "credit_limit_exceeded" },
};
const MODEL_GONE: Told = {
  openrouter: { httpStatus: 400, code: "400" },
  openai: { httpStatus: 404, code: "model_not_found" },
  deepseek: { httpStatus: 400, code: "invalid_request_error" },
  groq: { httpStatus: 404, code: "model_not_found" },
  xai: { httpStatus: 404, code: "Some requested entity was not found" },
  together: { httpStatus: 404, code: "model_not_available" },
};

describe.each(PROVIDERS)("an error that %s's own client raises", (provider) => {
  test.each(["whole", "streamed"] as const)(
    "for a key that was revoked, %s: our probe agrees, the key is dead, and the host stops",
    async (how) => {
      const revoke: Harm = (simulator, secret) => simulator.revoke(secret);
      const { failure, report, resolveAgain } = await callInTrouble(provider, revoke, how);
      expect(failure).toMatchObject(REVOKED[provider]);
      expect(report).toMatchObject({ keyState: KeyState.DEAD, advice: Advice.STOP });
      expect(await refused(resolveAgain())).toMatchObject({ code: "FailedPrecondition", reason: "KEY_DEAD" });
    },
  );

  test("for a rate limit: it holds as long as the provider says, and the host may try the same again then", async () => {
    const askedMs = Date.now();
    const { failure, report, resolveAgain } = await callInTrouble(provider, (simulator, secret) =>
      simulator.rateLimit(secret, RETRY_AFTER_SECONDS),
    );
    expect(failure).toMatchObject({ httpStatus: 429, retryAfterSeconds: RETRY_AFTER_SECONDS });
    expect(report).toMatchObject({ keyState: KeyState.RATE_LIMITED, advice: Advice.RETRY_SAME });
    const untilMs = timestampMs(given(report.stateUntilTime));
    expect(untilMs).toBeGreaterThanOrEqual(askedMs + RETRY_AFTER_SECONDS * 1000);
    expect(untilMs).toBeLessThanOrEqual(Date.now() + RETRY_AFTER_SECONDS * 1000);
    const refusal = await refused(resolveAgain());
    expect(refusal).toMatchObject({ code: "Unavailable", reason: "KEY_RATE_LIMITED" });
    expect(given(refusal.retryMs)).toBeLessThanOrEqual(RETRY_AFTER_SECONDS * 1000);
  });

  test("for an account without credit: the key is left alone, which is no dead key, and the host stops", async () => {
    const { failure, report, resolveAgain } = await callInTrouble(provider, (simulator, secret) =>
      simulator.setNoCredit(secret),
    );
    expect(failure).toMatchObject(NO_CREDIT[provider]);
    expect(report).toMatchObject({ keyState: KeyState.EXHAUSTED, advice: Advice.STOP });
    expect(report.stateUntilTime).toBeDefined();
    expect(await refused(resolveAgain())).toMatchObject({ code: "FailedPrecondition", reason: "KEY_EXHAUSTED" });
  });

  test("for a model that it no longer has: the key is well, and the host stops, since the same call fails again", async () => {
    const { failure, report, resolveAgain } = await callInTrouble(provider, (simulator) => {
      models.set(provider, simulator.models);
      simulator.setModels(["another-model"]);
    });
    expect(failure).toMatchObject(MODEL_GONE[provider]);
    expect(report).toMatchObject({ keyState: KeyState.ACTIVE, advice: Advice.STOP });
    await resolveAgain();
  });

  test.each([
    [503, { kind: "status", status: 503 }],
    [502, { kind: "status", status: 502, body: { error: { message: "Bad gateway", code: 502 } } }],
    [0, { kind: "reset" }],
  ] as const)("for an outage (%i): the key is well, and the same call may be tried again", async (status, fault) => {
    const { failure, report, resolveAgain } = await callInTrouble(provider, (simulator) =>
      simulator.setFault(fault, "call"),
    );
    expect(failure).toMatchObject({ httpStatus: status });
    expect(report).toMatchObject({ keyState: KeyState.ACTIVE, advice: Advice.RETRY_SAME });
    await resolveAgain();
  });
});

describe("an answer that means something else elsewhere", () => {
  test("DeepSeek's 402 in plain text is an empty account once the balance says so", async () => {
    const { failure, report } = await callInTrouble("deepseek", (simulator, secret) => {
      simulator.setNoCredit(secret);
      simulator.setFault({ kind: "text", status: 402, body: "Insufficient Balance" }, "call");
    });
    expect(failure).toEqual({
      httpStatus: 402,
      code: "",
      message: "Insufficient Balance",
      retryAfterSeconds: undefined,
    });
    expect(report).toMatchObject({ keyState: KeyState.EXHAUSTED, advice: Advice.STOP });
  });

  test("DeepSeek's 402 is not believed while the balance shows credit", async () => {
    const { report } = await callInTrouble("deepseek", (simulator) =>
      simulator.setFault({ kind: "text", status: 402, body: "Insufficient Balance" }, "call"),
    );
    expect(report).toMatchObject({ keyState: KeyState.ACTIVE });
  });

  test("OpenRouter's 402 for budget in flight is a rate limit of the whole key, no empty account", async () => {
    const { failure, report, resolveAgain } = await callInTrouble("openrouter", (simulator, secret) =>
      simulator.setCondition(secret, "budget_in_flight"),
    );
    expect(failure).toMatchObject({ httpStatus: 402, code: "in_flight_budget_exhausted" });
    expect(report).toMatchObject({ keyState: KeyState.RATE_LIMITED, advice: Advice.RETRY_SAME });
    expect(await refused(resolveAgain())).toMatchObject({ reason: "KEY_RATE_LIMITED" });
  });

  test("Groq's 403 is about the host's network, Together AI's about the length of the request, OpenRouter's about its contents", async () => {
    const harms: readonly (readonly [Provider, Harm])[] = [
      ["groq", (simulator, secret) => simulator.setCondition(secret, "network_refused")],
      [
        "together",
        (simulator) =>
          simulator.setFault(
            {
              kind: "status",
              status: 403,
              body: {
                error: { message: "inputs tokens + max_new_tokens must be <= 131072", type: "invalid_request_error" },
              },
            },
            "call",
          ),
      ],
      ["openrouter", (simulator, secret) => simulator.setCondition(secret, "restricted")],
    ];
    for (const [provider, harm] of harms) {
      const { failure, report, resolveAgain } = await callInTrouble(provider, harm);
      expect(failure, provider).toMatchObject({ httpStatus: 403 });
      expect(report, provider).toMatchObject({ keyState: KeyState.ACTIVE, advice: Advice.STOP });
      await resolveAgain();
    }
  });
});

test("after all of it neither the log nor any key's state holds a word that a client raised", async () => {
  expect(raised.size).toBeGreaterThan(20);
  const states = JSON.stringify(
    await Promise.all(
      Array.from({ length: accounts }, async (_none, at) => {
        const { keys } = await house.as("settings").keyVault.listKeys({ account: `trouble-${at + 1}` });
        return keys.map(({ stateReason }) => stateReason);
      }),
    ),
  );
  for (const message of raised) {
    expect(house.service.output()).not.toContain(message);
    expect(states).not.toContain(message);
  }
});
