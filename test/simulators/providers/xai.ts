import { openAiUsage } from "../openai-shapes.ts";
import type { ProviderSpec } from "../provider-spec.ts";
import { ALNUM, randomText } from "../random-text.ts";
import type { SimKey } from "../sim-key.ts";
import { costTicksOf } from "../token-script.ts";
import { json, type WireAnswer } from "../wire.ts";

const NO_KEY = failure(401, "unauthenticated:no-credentials", "No credentials presented.");
const NO_PERMISSION = "The caller does not have permission to execute the specified operation";

/** xAI's wire, after docs.x.ai: flat errors, 400 for a wrong key, 403 for no credit, reasoning counted beside the completion. */
export const XAI_SPEC: ProviderSpec = {
  provider: "xai",
  models: ["grok-4.6", "grok-4.5", "grok-4.3", "grok-build-0.1"],
  mintText: () => `xai${"-"}${randomText(`${ALNUM}_`, 80)}`,
  gets: {
    "/v1/api-key": { answer: ({ key }) => (key === undefined ? NO_KEY : keyInfo(key)) },
    "/v1/models": { answer: ({ models }) => json(200, { object: "list", data: models.map(modelEntry) }) },
    "/v1/language-models": { answer: ({ models }) => json(200, { models: models.map(modelEntry) }) },
  },
  chatPaths: ["/v1/chat/completions"],
  missingKey: { get: NO_KEY, call: NO_KEY },
  wrongKey,
  conditions: {
    live: {},
    revoked: both((key) => wrongKey(key.text)),
    disabled: { call: () => failure(403, NO_PERMISSION, "The API key is disabled.") },
    blocked: { call: () => failure(403, NO_PERMISSION, "The API key is blocked.") },
    team_blocked: { call: () => failure(403, NO_PERMISSION, "The team is blocked.") },
    restricted: { get: () => failure(403, "permission-denied", `${NO_PERMISSION}.`) },
    no_credit: both(() =>
      failure(
        403,
        NO_PERMISSION,
        "Your newly created team doesn't have any credits or licenses yet. You can purchase those on https://console.x.ai.",
      ),
    ),
    rate_limited: both((key) => ({
      ...failure(429, "Some resource has been exhausted", "Too many requests. Please slow down."),
      headers: { "content-type": "application/json", "retry-after": String(key.retryAfterSeconds) },
    })),
  },
  unknownModel: (model) =>
    failure(
      404,
      "Some requested entity was not found",
      `The model ${model} does not exist or your team does not have access to it.`,
    ),
  usage: (tokens) => ({
    ...openAiUsage(tokens),
    // The totals of everybody else contain the reasoning; here only total_tokens does.
    completion_tokens: tokens.output,
    prompt_tokens_details: {
      text_tokens: tokens.input,
      audio_tokens: 0,
      image_tokens: 0,
      cached_tokens: tokens.cacheRead,
    },
    num_sources_used: 0,
    cost_in_usd_ticks: costTicksOf(tokens),
  }),
  idPrefix: "",
  alwaysStreamsUsage: false,
};

function both(answer: (key: SimKey) => WireAnswer) {
  return { get: answer, call: answer };
}

function failure(status: number, code: string, error: string): WireAnswer {
  return json(status, { code, error });
}

function wrongKey(text: string): WireAnswer {
  return failure(
    400,
    "Client specified an invalid argument",
    `Incorrect API key provided: ${text.slice(0, 2)}***${text.slice(-2)}. You can obtain an API key from https://console.x.ai.`,
  );
}

function keyInfo(key: SimKey): WireAnswer {
  return json(200, {
    redacted_api_key: `xai-...${key.text.slice(-4)}`,
    user_id: "59fbe5f2-040b-46d5-8325-868bb8f23eb2",
    name: "My API Key",
    create_time: "2026-01-01T12:55:18.139305Z",
    modify_time: "2026-08-28T17:20:12.343321Z",
    modified_by: "3d38b4dc-4eb7-4785-ae26-c3fa8997ffc7",
    team_id: "5ea6f6bd-7815-4b8a-9135-28b2d7ba6722",
    acls: ["api-key:model:*", "api-key:endpoint:*"],
    api_key_id: key.id,
    team_blocked: key.condition === "team_blocked",
    api_key_blocked: key.condition === "blocked",
    api_key_disabled: key.condition === "disabled",
  });
}

function modelEntry(id: string) {
  return {
    id,
    aliases: [`${id}-latest`],
    created: 1_786_000_000,
    object: "model",
    owned_by: "xai",
    version: "1.0",
    fingerprint: "fp_simulated",
    input_modalities: ["text"],
    output_modalities: ["text"],
    context_length: 256_000,
    prompt_text_token_price: 30_000,
    cached_prompt_text_token_price: 7_500,
    completion_text_token_price: 150_000,
  };
}
