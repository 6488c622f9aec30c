import { expect, test } from "vitest";
import { CATALOGUE } from "../../src/router/catalogue.ts";
import { DEFAULT_POLICY, type RoutingPolicy } from "../../src/router/decision.ts";
import { type ExplainRouteInput, explainRoute } from "../../src/router/explain-route.ts";
import type { RoutableKey } from "../../src/router/ports.ts";
import { NO_MODEL_LISTS } from "../support/no-model-lists.ts";
import { keyOf, NOW_MS, platformKeyOf } from "./routing-fixture.ts";

const ESTIMATE = { inputTokens: 0n, maxOutputTokens: 0n };
const INPUT: ExplainRouteInput = { account: "acct-1", agent: "", model: "openai/gpt-5.5", estimate: ESTIMATE };
const SEALED = { version: 1, sealed: { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) } };

function openExplainer(
  own: readonly RoutableKey[],
  platform: readonly RoutableKey[],
  policy: RoutingPolicy = DEFAULT_POLICY,
) {
  const keys = { keysOf: async (account: string) => (account === "platform" ? platform : own) };
  const deps = {
    keys,
    modelLists: NO_MODEL_LISTS,
    policyDirectory: { policyOf: async () => policy },
    catalogue: CATALOGUE,
    clock: { nowMs: () => NOW_MS },
  };
  return (changes: Partial<ExplainRouteInput> = {}) => explainRoute(deps, { ...INPUT, ...changes });
}

test("every candidate is told with its verdict, and who would pay", async () => {
  const explain = openExplainer([{ ...keyOf("openrouter"), ...SEALED }], [{ ...platformKeyOf("openai"), ...SEALED }]);
  const explanation = await explain();
  expect(explanation).toMatchObject({
    kind: "route",
    payer: "BYOK",
    provider: "openrouter",
    upstreamModel: "openai/gpt-5.5",
  });
  expect(explanation.candidates.map((c) => `${c.payer} ${c.provider ?? "-"} ${c.verdict} ${c.reason}`)).toEqual([
    "BYOK openai SKIPPED NO_KEY",
    "BYOK openrouter CHOSEN OPENROUTER_KEY",
    "HOSTED - NOT_NEEDED OWN_KEY_FIRST",
  ]);
});

test("without a key every platform key is told", async () => {
  const explain = openExplainer([], [{ ...platformKeyOf("openrouter"), ...SEALED }]);
  const explanation = await explain();
  expect(explanation).toMatchObject({ kind: "route", payer: "HOSTED", provider: "openrouter" });
  expect(explanation.candidates.map((c) => `${c.payer} ${c.provider ?? "-"} ${c.verdict} ${c.reason}`)).toEqual([
    "BYOK openai SKIPPED NO_KEY",
    "BYOK openrouter SKIPPED NO_KEY",
    "HOSTED openai SKIPPED NO_PLATFORM_KEY",
    "HOSTED openrouter CHOSEN HOSTED",
  ]);
});

test("a refusal is told by the reason that resolving would give", async () => {
  const explain = openExplainer([{ ...keyOf("openai", { state: "DEAD" }), ...SEALED }], []);
  expect(await explain()).toMatchObject({ kind: "refused", refusal: "KEY_DEAD" });
  expect(await explain({ pin: "groq" })).toMatchObject({ kind: "refused", refusal: "PIN_WITHOUT_KEY" });
  expect(await explain({ model: "Acme/Nothing" })).toMatchObject({ kind: "refused", refusal: "MODEL_UNKNOWN" });
});

test("the account's policy is what the explanation goes by", async () => {
  const dead = { ...keyOf("openai", { state: "DEAD" }), ...SEALED };
  const explain = openExplainer([dead], [{ ...platformKeyOf("openai"), ...SEALED }], { onKeyFailure: "CREDITS" });
  const explanation = await explain();
  expect(explanation).toMatchObject({ kind: "route", payer: "HOSTED" });
  expect(explanation.candidates[0]).toMatchObject({ payer: "BYOK", verdict: "SKIPPED", reason: "KEY_DEAD" });
});

test("the reserved account runs no agents, so nothing is explained for it", async () => {
  await expect(openExplainer([], [])({ account: "platform" })).rejects.toMatchObject({ reason: "FIELDS_INVALID" });
});
