import { openAiError } from "../openai-shapes.ts";
import type { ProviderSpec } from "../provider-spec.ts";
import { ALNUM, randomText } from "../random-text.ts";
import type { SimKey } from "../sim-key.ts";
import { json, plainText, type WireAnswer } from "../wire.ts";

/** Together AI's wire, after its OpenAPI: a bare array of models, totals only in the usage, plain text when no key is given. */
export const TOGETHER_SPEC: ProviderSpec = {
  provider: "together",
  models: [
    "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "Qwen/Qwen3.5-397B-A17B",
    "deepseek-ai/DeepSeek-V4-Pro",
    "zai-org/GLM-5.2",
    "openai/gpt-oss-120b",
  ],
  mintText: () => `tgp_${"v1"}_${randomText(`${ALNUM}_-`, 43)}`,
  gets: { "/v1/models": { answer: ({ models }) => list(models) } },
  chatPaths: ["/v1/chat/completions"],
  missingKey: {
    get: plainText(401, "Missing API key"),
    call: openAiError(401, "Missing API key", "invalid_request_error", "missing_api_key"),
  },
  wrongKey,
  conditions: {
    live: {},
    revoked: both(wrongKey),
    no_credit: both(() =>
      openAiError(
        402,
        "You have reached your monthly spending limit.",
        "credit_limit_exceeded",
        "credit_limit_exceeded",
      ),
    ),
    rate_limited: both((key) =>
      openAiError(429, "You have been rate limited.", "rate_limit", "rate_limit_exceeded", {
        "retry-after": String(key.retryAfterSeconds),
      }),
    ),
  },
  unknownModel: (model) =>
    openAiError(
      404,
      `Unable to access model ${model}. Please visit https://api.together.ai/models to see the list of supported models.`,
      "invalid_request_error",
      "model_not_available",
    ),
  usage: (tokens) => {
    const completion = tokens.output + tokens.reasoning;
    return { prompt_tokens: tokens.input, completion_tokens: completion, total_tokens: tokens.input + completion };
  },
  idPrefix: "",
  alwaysStreamsUsage: false,
};

function both(answer: (key: SimKey) => WireAnswer) {
  return { get: answer, call: answer };
}

function wrongKey(): WireAnswer {
  return openAiError(
    401,
    "Invalid API key provided. You can find your API key at https://api.together.ai/settings/api-keys.",
    "invalid_request_error",
    "invalid_api_key",
  );
}

function list(models: readonly string[]): WireAnswer {
  const entry = (id: string, type: string) => ({
    id,
    object: "model",
    created: 1_786_000_000,
    type,
    display_name: id.slice(id.indexOf("/") + 1),
    organization: id.slice(0, id.indexOf("/")),
    context_length: 131_072,
    pricing: { hourly: 0, input: 3, output: 15, base: 0, finetune: 0 },
  });
  return json(200, [...models.map((id) => entry(id, "chat")), entry("black-forest-labs/FLUX.1-schnell", "image")]);
}
