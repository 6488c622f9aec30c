import { openAiUsage } from "../openai-shapes.ts";
import type { ProviderSpec } from "../provider-spec.ts";
import { ALNUM, randomText } from "../random-text.ts";
import type { SimKey } from "../sim-key.ts";
import { json, type WireAnswer } from "../wire.ts";

const WRONG_KEY = failure(401, "Invalid API Key", "invalid_request_error", "invalid_api_key");

/** Groq's wire, after console.groq.com/docs. A missing header and a wrong key look alike. */
export const GROQ_SPEC: ProviderSpec = {
  provider: "groq",
  models: [
    "openai/gpt-oss-120b",
    "openai/gpt-oss-20b",
    "qwen/qwen3-32b",
    "llama-3.1-8b-instant",
    "meta-llama/llama-4-scout-17b-16e-instruct",
    "groq/compound",
  ],
  mintText: () => `gsk${"_"}${randomText(ALNUM, 52)}`,
  gets: { "/openai/v1/models": { answer: ({ models }) => list(models) } },
  chatPaths: ["/openai/v1/chat/completions"],
  missingKey: { get: WRONG_KEY, call: WRONG_KEY },
  wrongKey: () => WRONG_KEY,
  conditions: {
    live: {},
    revoked: both(() => WRONG_KEY),
    network_refused: both(() =>
      json(403, { error: { message: "Access denied. Please check your network settings." } }),
    ),
    restricted: both(() =>
      failure(
        403,
        "The model is blocked at the organization level. Please have the org admin enable this model.",
        "permissions_error",
        "model_permission_blocked_org",
      ),
    ),
    no_credit: both(() =>
      failure(
        400,
        "API access is blocked because the organization reached its spend limit.",
        "invalid_request_error",
        "blocked_api_access",
      ),
    ),
    rate_limited: both((key) => ({
      ...failure(429, "Rate limit reached in organization on requests per minute.", "requests", "rate_limit_exceeded"),
      headers: { "content-type": "application/json", "retry-after": String(key.retryAfterSeconds) },
    })),
  },
  unknownModel: (model) =>
    failure(
      404,
      `The model \`${model}\` does not exist or you do not have access to it.`,
      "invalid_request_error",
      "model_not_found",
    ),
  usage: (tokens) => {
    const { prompt_tokens, completion_tokens, total_tokens } = openAiUsage(tokens);
    return {
      queue_time: 0.01,
      prompt_tokens,
      prompt_time: 0.001,
      completion_tokens,
      completion_time: 0.02,
      total_tokens,
      total_time: 0.021,
      prompt_tokens_details: { cached_tokens: tokens.cacheRead },
      completion_tokens_details: { reasoning_tokens: tokens.reasoning },
    };
  },
  idPrefix: "chatcmpl-",
  lastChunk: (usage) => ({ x_groq: { id: `req_${randomText(ALNUM, 26)}`, usage } }),
  alwaysStreamsUsage: false,
};

function both(answer: (key: SimKey) => WireAnswer) {
  return { get: answer, call: answer };
}

function failure(status: number, message: string, type: string, code: string): WireAnswer {
  return json(status, { error: { message, type, code } });
}

function list(models: readonly string[]): WireAnswer {
  // A model that is switched off is still listed.
  return json(200, { object: "list", data: [...models.map((id) => entry(id, true)), entry("gemma2-9b-it", false)] });
}

function entry(id: string, active: boolean) {
  return {
    id,
    object: "model",
    created: 1_786_000_000,
    owned_by: id.includes("/") ? id.slice(0, id.indexOf("/")) : "Meta",
    active,
    context_window: 131_072,
    public_apps: null,
    max_completion_tokens: 65_536,
  };
}
