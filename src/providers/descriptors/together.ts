import type { ProviderDescriptor } from "../descriptor.ts";
import { BEARER, OPENAI_USAGE } from "./common.ts";

/**
 * Together AI. Sources: its OpenAPI (server `api.together.ai` since 2026-04), docs.together.ai/docs/error-codes, key format from betterleaks.
 * Its list is a bare array, its refusals may be plain text, and its 403 means "context too long".
 */
export const TOGETHER: ProviderDescriptor = {
  slug: "together",
  displayName: "Together AI",
  covers: "Models hosted on Together",
  keyPageUrl: "https://api.together.ai/settings/api-keys",
  oneClick: false,
  baseUrl: "https://api.together.ai/v1",
  chatPath: "/chat/completions",
  auth: BEARER,
  headers: {},
  key: {
    noun: "a Together AI key",
    published: /^tgp_v1_[A-Za-z0-9_-]{43}$/,
    legacy: /^[0-9a-f]{64}$/,
    accepted: /^(?:(?:tgp|key)_[A-Za-z0-9_-]+|[0-9a-f]+)$/,
    claims: /^tgp_/,
  },
  validate: {
    path: "/models",
    rules: [
      { status: 200, hasList: ["", "data"], outcome: "valid" },
      { status: 401, text: "missing api key", outcome: "header_missing" },
      { status: 401, text: "missing_api_key", outcome: "header_missing" },
      { status: 401, outcome: "invalid" },
      { status: 402, outcome: "valid_no_credit" },
      { status: 429, outcome: "rate_limited" },
    ],
  },
  callRules: [
    { status: 403, outcome: "request_refused" },
    { status: 400, codes: ["model_not_available"], outcome: "model_refused" },
  ],
  models: {
    path: "/models",
    roots: ["", "data"],
    idPath: "id",
    namePath: "display_name",
    contextLengthPath: "context_length",
    filter: { path: "type", equals: "chat" },
  },
  // Its specification lists the totals only; details are read where they come, in OpenAI's shape.
  usage: OPENAI_USAGE,
  modelIds: {
    patterns: [/^(?:Qwen|deepseek-ai|zai-org|MiniMaxAI|LiquidAI|essentialai)\/[^/]+$/, /^[^/]+\/[^/]+\/[^/]+$/],
  },
};
