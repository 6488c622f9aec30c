import type { JsonObject } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Charge, Component, UsageState } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import type { Route } from "../../src/gen/plori/router/v1/router_pb.ts";
import { Payer } from "../../src/gen/plori/type/v1/type_pb.ts";
import { given, type House, openHouse, PROVIDER_NUMBER, type SimulatedProvider } from "./house.ts";

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());

/** What every simulated call reports to have used; the input contains the cached parts. */
const SCRIPT = { input: 100, cacheRead: 40, cacheWrite: 10, output: 20, reasoning: 5 };

interface Expected {
  readonly model: string;
  readonly upstreamModel: string;
  readonly quantities: Readonly<Record<string, bigint>>;
  /** What the provider says that it cost: 3 dollars a million input tokens, 15 a million of output. */
  readonly costUsdNanos?: bigint;
}

/** What each provider's own usage object says of the same call: not every provider tells of every part. */
const NORMALISED: Readonly<Record<SimulatedProvider, Expected>> = {
  openrouter: {
    model: "anthropic/claude-opus-4.8",
    upstreamModel: "anthropic/claude-opus-4.8",
    quantities: { INPUT_UNCACHED: 50n, CACHE_READ: 40n, CACHE_WRITE: 10n, OUTPUT: 20n, REASONING: 5n },
    costUsdNanos: 675_000n,
  },
  openai: {
    model: "openai/gpt-5.5",
    upstreamModel: "gpt-5.5",
    quantities: { INPUT_UNCACHED: 50n, CACHE_READ: 40n, CACHE_WRITE: 10n, OUTPUT: 20n, REASONING: 5n },
  },
  deepseek: {
    model: "deepseek/deepseek-v4-pro",
    upstreamModel: "deepseek-v4-pro",
    quantities: { INPUT_UNCACHED: 60n, CACHE_READ: 40n, OUTPUT: 20n, REASONING: 5n },
  },
  groq: {
    model: "groq::openai/gpt-oss-120b",
    upstreamModel: "openai/gpt-oss-120b",
    quantities: { INPUT_UNCACHED: 60n, CACHE_READ: 40n, OUTPUT: 20n, REASONING: 5n },
  },
  xai: {
    model: "x-ai/grok-4.3",
    upstreamModel: "grok-4.3",
    quantities: { INPUT_UNCACHED: 60n, CACHE_READ: 40n, OUTPUT: 20n, REASONING: 5n },
    costUsdNanos: 675_000n,
  },
  together: {
    model: "meta-llama/llama-3.3-70b-instruct",
    upstreamModel: "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    // Totals only: the reasoning stands in the output, unseen.
    quantities: { INPUT_UNCACHED: 100n, OUTPUT: 25n },
  },
};

async function askModel(route: Route): Promise<{ readonly id: string; readonly usage: JsonObject }> {
  const credential = Buffer.from(route.credential).toString("latin1");
  const response = await fetch(`${route.baseUrl}/chat/completions`, {
    method: "POST",
    headers: {
      ...route.headers,
      [route.credentialHeader]: `${route.credentialPrefix}${credential}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ model: route.upstreamModel, messages: [{ role: "user", content: "Hello" }] }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as { id: string; usage: JsonObject };
}

function quantitiesOf(charge: Charge | undefined): Record<string, bigint> {
  const names = new Map<number, string>(Object.entries(Component).map(([name, number]) => [number, name]));
  return Object.fromEntries(given(charge).lines.map((line) => [names.get(line.component), line.quantity]));
}

describe("the usage object of a provider, verbatim", () => {
  test.each(Object.entries(NORMALISED) as [SimulatedProvider, Expected][])(
    "%s: becomes counts that share nothing",
    async (provider, expected) => {
      const account = `usage-${provider}`;
      await house.place(account, "agent");
      const secret = await house.connectOwn(account, provider);
      house.simulators[provider].scriptUsage(secret, SCRIPT);
      const route = await house.resolve({ account, model: expected.model, callId: "c1" });
      expect(route).toMatchObject({
        provider: PROVIDER_NUMBER[provider],
        upstreamModel: expected.upstreamModel,
        payer: Payer.BYOK,
      });
      const { id, usage } = await askModel(route);
      const { results } = await house.as("agent-host-1").ledger.recordUsage({
        records: [
          {
            usageId: "u1",
            account,
            agent: "agent",
            occurTime: timestampNow(),
            kind: {
              case: "modelCall",
              value: {
                authority: { case: "route", value: route.route },
                callId: "c1",
                usage: { case: "providerUsage", value: usage },
                providerRequestId: id,
              },
            },
          },
        ],
      });
      const { charge } = given(results[0]);
      expect(quantitiesOf(charge)).toEqual(expected.quantities);
      expect(charge).toMatchObject({
        usageState: UsageState.EXACT,
        providerRequestId: id,
        upstreamModel: expected.upstreamModel,
      });
      expect(charge?.providerCostUsdNanos).toBe(expected.costUsdNanos);
    },
  );
});
