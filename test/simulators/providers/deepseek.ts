import { openAiError, openAiList } from "../openai-shapes.ts";
import type { ProviderSpec } from "../provider-spec.ts";
import { HEX, randomText } from "../random-text.ts";
import type { SimKey } from "../sim-key.ts";
import { json, plainText, type WireAnswer } from "../wire.ts";

const NO_KEY = plainText(401, "Authentication Fails (governor)");

/** DeepSeek's wire, after api-docs.deepseek.com. It answers at the host's root and below /v1. */
export const DEEPSEEK_SPEC: ProviderSpec = {
  provider: "deepseek",
  models: ["deepseek-flash", "deepseek-v4-pro"],
  mintText: () => `sk-${randomText(HEX, 32)}`,
  gets: {
    "/user/balance": { answer: ({ key }) => balance(key) },
    "/models": { answer: ({ models }) => openAiList(models, "deepseek") },
    "/v1/models": { answer: ({ models }) => openAiList(models, "deepseek") },
  },
  chatPaths: ["/chat/completions", "/v1/chat/completions"],
  missingKey: { get: NO_KEY, call: NO_KEY },
  wrongKey,
  conditions: {
    live: {},
    revoked: { get: (key) => wrongKey(key.text), call: (key) => wrongKey(key.text) },
    no_credit: { call: () => openAiError(402, "Insufficient Balance", "unknown_error", "invalid_request_error") },
    rate_limited: { get: rateLimited, call: rateLimited },
  },
  unknownModel: () => openAiError(400, "Model Not Exist", "invalid_request_error", "invalid_request_error"),
  usage: (tokens) => {
    const completion = tokens.output + tokens.reasoning;
    return {
      prompt_tokens: tokens.input,
      completion_tokens: completion,
      total_tokens: tokens.input + completion,
      prompt_cache_hit_tokens: tokens.cacheRead,
      prompt_cache_miss_tokens: tokens.input - tokens.cacheRead,
      completion_tokens_details: { reasoning_tokens: tokens.reasoning },
    };
  },
  idPrefix: "",
  alwaysStreamsUsage: false,
};

function wrongKey(text: string): WireAnswer {
  const message = `Authentication Fails, Your api key: ****${text.slice(-4)} is invalid`;
  return openAiError(401, message, "authentication_error", "invalid_request_error");
}

function rateLimited(key: SimKey): WireAnswer {
  return openAiError(429, "Rate limit reached", "rate_limit_error", "rate_limit_error", {
    "retry-after": String(key.retryAfterSeconds),
  });
}

function balance(key: SimKey | undefined): WireAnswer {
  const empty = key?.condition === "no_credit" && key.seenByGet;
  const total = empty ? "0.00" : "110.00";
  const info = { currency: "USD", total_balance: total, granted_balance: "0.00", topped_up_balance: total };
  return json(200, { is_available: !empty, balance_infos: [info] });
}
