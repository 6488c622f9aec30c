import type { ProviderDescriptor } from "../descriptor.ts";
import { BEARER, OPENAI_USAGE } from "./common.ts";

/**
 * OpenRouter. Sources: its OpenAPI (typescript-sdk `.speakeasy/in.openapi.yaml`), its docs (`api_reference/errors-and-debugging.mdx`,
 * `guides/overview/auth`), key format from trufflehog and betterleaks. `GET /models` is public and says nothing about a key.
 */
export const OPENROUTER: ProviderDescriptor = {
  slug: "openrouter",
  displayName: "OpenRouter",
  covers: "Any model OpenRouter serves, one key for everything",
  keyPageUrl: "https://openrouter.ai/settings/keys",
  oneClick: true,
  baseUrl: "https://openrouter.ai/api/v1",
  chatPath: "/chat/completions",
  auth: BEARER,
  headers: {},
  key: {
    noun: "an OpenRouter key",
    prefix: "sk-or-",
    published: /^sk-or-v1-[0-9a-f]{64}$/,
    accepted: /^sk-or-[A-Za-z0-9_-]+$/,
    claims: /^sk-or-/,
  },
  validate: {
    path: "/key",
    rules: [
      { status: 200, anyTrue: ["data.is_management_key", "data.is_provisioning_key"], outcome: "wrong_kind" },
      { status: 200, past: "data.expires_at", outcome: "invalid" },
      { status: 200, notPositive: "data.limit_remaining", outcome: "valid_no_credit" },
      { status: 200, hasAny: ["data"], outcome: "valid" },
      { status: 401, text: "missing authentication header", outcome: "header_missing" },
      // Three older wordings of the same.
      { status: 401, text: "no auth credentials found", outcome: "header_missing" },
      { status: 401, text: "no cookie auth credentials found", outcome: "header_missing" },
      { status: 401, text: "invalid credentials", outcome: "header_missing" },
      { status: 401, outcome: "invalid" },
      // Requests in flight hold back budget: that passes by itself and is no empty account.
      { status: 402, text: "in_flight_budget_exhausted", outcome: "rate_limited" },
      { status: 402, outcome: "valid_no_credit" },
      { status: 429, outcome: "rate_limited" },
    ],
    limits: { limitUsd: "data.limit", remainingUsd: "data.limit_remaining", expireTime: "data.expires_at" },
  },
  callRules: [
    { status: 402, text: "in_flight_budget_exhausted", outcome: "rate_limited" },
    // A guardrail or moderation refuses the request, not the key.
    { status: 403, outcome: "request_refused" },
    { status: 400, codes: ["model_not_found"], outcome: "model_refused" },
  ],
  models: {
    path: "/models/user",
    roots: ["data"],
    idPath: "id",
    namePath: "name",
    contextLengthPath: "context_length",
    pagination: { style: "offset_limit", pageMax: 1000, nextPath: "links.next" },
    filter: { path: "architecture.output_modalities", includes: "text" },
    // It makes music, and answers with a text beside it.
    otherThanChat: /^google\/lyria-/,
    publicPath: "/models",
  },
  usage: {
    ...OPENAI_USAGE,
    cacheWritePath: "prompt_tokens_details.cache_write_tokens",
    cost: { path: "cost", decimals: 0 },
    streamed: "always",
  },
  modelIds: { patterns: [/^~?[a-z0-9][a-z0-9._-]*\/[^/]+$/, /^@preset\//] },
};
