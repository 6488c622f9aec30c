import { timestampNow } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { CallOutcome, type Charge, Component, UsageState } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { RecordOutcome } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import type { Route } from "../../src/gen/plori/router/v1/router_pb.ts";
import { Payer } from "../../src/gen/plori/type/v1/type_pb.ts";
import { given, type House, nano, openHouse, PROVIDER_NUMBER } from "./house.ts";
import type { ModelAnswer } from "./model-clients/model-client.ts";
import { MODEL_CLIENTS } from "./model-clients/model-clients.ts";

// The calls that agents make, made by the clients that they use: the providers' own SDKs, with nothing but what the route says.

/** A model that plori sells, which this provider serves before the others: for a key of the user's and for credits alike. */
const MODELS: Readonly<Record<Provider, string>> = {
  openrouter: "anthropic/claude-opus-4.8",
  openai: "openai/gpt-5.5",
  deepseek: "deepseek/deepseek-v4-pro",
  groq: "openai/gpt-oss-120b",
  xai: "x-ai/grok-4.3",
  together: "meta-llama/llama-3.3-70b-instruct",
};
const HOW = ["whole", "streamed"] as const;
type How = (typeof HOW)[number];
const PROMPT = "one two three four";
/** What every call reports to have used; the input contains the cached part, the output does not contain the reasoning. */
const SCRIPT = { input: 1000, cacheRead: 400, output: 90, reasoning: 20 };
const OUTPUT_COMPONENTS: readonly Component[] = [Component.OUTPUT, Component.REASONING];

let house: House;
/** plori's own keys. */
const platformKeys = new Map<Provider, string>();
beforeAll(async () => {
  house = await openHouse();
  for (const provider of PROVIDERS) {
    const secret = await house.connectOwn("platform", provider);
    house.simulators[provider].scriptUsage(secret, SCRIPT);
    platformKeys.set(provider, secret);
  }
});
afterAll(() => house.close());

/** A call from its route to its charge, by the provider's own client. */
async function callAndRecord(provider: Provider, account: string, how: How) {
  const callId = `${account}/${how}`;
  const route = await house.resolve({ account, model: MODELS[provider], callId, maxOutputTokens: 2_000n });
  expect(route.provider).toBe(PROVIDER_NUMBER[provider]);
  const answer = await MODEL_CLIENTS[provider][how](route, PROMPT);
  return { callId, route, answer, charge: await record({ account, callId, route, answer }) };
}

interface Made {
  readonly account: string;
  readonly callId: string;
  readonly route: Route;
  readonly answer: Pick<ModelAnswer, "id"> & Partial<ModelAnswer>;
  readonly outcome?: CallOutcome;
}

/** Reports the call with the usage object as it came. */
async function record({ account, callId, route, answer, outcome = CallOutcome.SUCCEEDED }: Made): Promise<Charge> {
  const { results } = await house.as("agent-host-1").ledger.recordUsage({
    records: [
      {
        usageId: callId,
        account,
        agent: "agent",
        occurTime: timestampNow(),
        kind: {
          case: "modelCall",
          value: {
            authority: { case: "route", value: route.route },
            callId,
            outcome,
            providerRequestId: answer.id,
            ...(answer.usage === undefined ? {} : { usage: { case: "providerUsage", value: answer.usage } }),
          },
        },
      },
    ],
  });
  const result = given(results[0]);
  expect(result).toMatchObject({ outcome: RecordOutcome.CREATED });
  return given(result.charge);
}

/** Tokens of a charge: all of the input, all of the output. */
function tokensOf({ lines }: Charge): { readonly input: bigint; readonly output: bigint } {
  const isOutput = ({ component }: (typeof lines)[number]) => OUTPUT_COMPONENTS.includes(component);
  const sum = (some: typeof lines) => some.reduce((total, { quantity }) => total + quantity, 0n);
  return { input: sum(lines.filter((line) => !isOutput(line))), output: sum(lines.filter(isOutput)) };
}

async function spentOf(account: string): Promise<bigint> {
  const { balance } = await house.as("settings").ledger.getBalance({ account });
  return nano(given(balance).spent);
}

describe.each(PROVIDERS)("%s, called by its own client", (provider) => {
  const simulator = () => house.simulators[provider];

  test.each(HOW)(
    "on the user's key, %s: the user's provider account pays, and plori's list price stands beside",
    async (how) => {
      const account = `own-${provider}-${how}`;
      await house.place(account, "agent");
      const secret = await house.connectOwn(account, provider);
      simulator().scriptUsage(secret, SCRIPT);
      const { route, answer, charge } = await callAndRecord(provider, account, how);
      expect(route).toMatchObject({ payer: Payer.BYOK, maxOutputTokens: 0n });
      expect(answer.text).toBe(`You said: ${PROMPT}`);
      expect(simulator().requests.at(-1)).toMatchObject({
        key: simulator().idOf(secret),
        model: route.upstreamModel,
        status: 200,
      });
      expect(charge).toMatchObject({
        payer: Payer.BYOK,
        usageState: UsageState.EXACT,
        providerRequestId: answer.id,
        upstreamModel: route.upstreamModel,
      });
      expect(nano(charge.amount)).toBe(0n);
      expect(nano(charge.listAmount)).toBeGreaterThan(0n);
      expect(await spentOf(account)).toBe(0n);
      // What was charged for is what the provider counted on that very key.
      const { inputTokens, outputTokens } = simulator().spendOf(secret);
      expect(tokensOf(charge)).toEqual({ input: BigInt(inputTokens), output: BigInt(outputTokens) });
    },
  );

  test.each(HOW)(
    "for credits, %s: plori's key pays, and the account is charged the list price of just that",
    async (how) => {
      const account = `hosted-${provider}-${how}`;
      await house.place(account, "agent");
      await house.grant(account, { units: 1_000n });
      const platformKey = given(platformKeys.get(provider));
      const before = simulator().spendOf(platformKey);
      const { route, answer, charge } = await callAndRecord(provider, account, how);
      expect(route).toMatchObject({ payer: Payer.HOSTED, key: "", maxOutputTokens: 2_000n });
      expect(answer.text).toBe(`You said: ${PROMPT}`);
      expect(simulator().requests.at(-1)).toMatchObject({ key: simulator().idOf(platformKey), status: 200 });
      expect(charge).toMatchObject({ payer: Payer.HOSTED, usageState: UsageState.EXACT, hold: given(route.hold).name });
      expect(nano(charge.amount)).toBeGreaterThan(0n);
      expect(charge.amount).toEqual(charge.listAmount);
      expect(await spentOf(account)).toBe(nano(charge.amount));
      const after = simulator().spendOf(platformKey);
      expect(tokensOf(charge)).toEqual({
        input: BigInt(after.inputTokens - before.inputTokens),
        output: BigInt(after.outputTokens - before.outputTokens),
      });
    },
  );

  test("for credits: the limit of what they cover goes upstream, and the answer is cut there", async () => {
    const account = `limited-${provider}`;
    await house.place(account, "agent");
    await house.grant(account, { units: 1_000n });
    const route = await house.resolve({ account, model: MODELS[provider], callId: "c1", maxOutputTokens: 3n });
    expect(route.maxOutputTokens).toBe(3n);
    const { text } = await MODEL_CLIENTS[provider].whole(route, PROMPT);
    expect(text).toBe("You said: one");
  });

  test("for credits: a stream that breaks off is charged, by estimate, and the hold is settled", async () => {
    const account = `broken-${provider}`;
    await house.place(account, "agent");
    await house.grant(account, { units: 1_000n });
    const route = await house.resolve({ account, model: MODELS[provider], callId: "c1", maxOutputTokens: 500n });
    simulator().setFault({ kind: "cut_stream", afterChunks: 2 }, "call");
    const broken = MODEL_CLIENTS[provider].streamed(route, PROMPT);
    await expect(broken).rejects.toThrow();
    simulator().setFault(undefined);
    const charge = await record({ account, callId: "c1", route, answer: { id: "" }, outcome: CallOutcome.CANCELLED });
    expect(charge.usageState).toBe(UsageState.ESTIMATED);
    expect(nano(charge.amount)).toBeGreaterThan(0n);
    const { balance } = await house.as("settings").ledger.getBalance({ account });
    expect(nano(given(balance).held)).toBe(0n);
  });
});

test("one call costs the same list price on the user's key and on credits", async () => {
  const [own, hosted] = await Promise.all(
    ["own-groq-again", "hosted-groq-again"].map(async (account) => {
      await house.place(account, "agent");
      await house.grant(account, { units: 1_000n });
      if (account.startsWith("own")) {
        house.simulators.groq.scriptUsage(await house.connectOwn(account, "groq"), SCRIPT);
      }
      return callAndRecord("groq", account, "whole");
    }),
  );
  expect(given(own).charge).toMatchObject({ payer: Payer.BYOK, listAmount: given(hosted).charge.amount });
});
