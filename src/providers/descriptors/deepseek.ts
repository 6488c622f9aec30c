import type { ProviderDescriptor } from "../descriptor.ts";
import { BEARER, OPENAI_USAGE } from "./common.ts";

/**
 * DeepSeek. Sources: api-docs.deepseek.com (errors, user balance, models), usage from vercel/ai `convert-to-deepseek-usage.ts`, key format
 * from trufflehog and betterleaks. Its keys do not tell whose they are, and its refusals may be plain text.
 */
export const DEEPSEEK: ProviderDescriptor = {
  slug: "deepseek",
  displayName: "DeepSeek",
  covers: "DeepSeek models",
  keyPageUrl: "https://platform.deepseek.com/api_keys",
  oneClick: false,
  baseUrl: "https://api.deepseek.com",
  chatPath: "/chat/completions",
  auth: BEARER,
  headers: {},
  key: {
    noun: "a DeepSeek key",
    prefix: "sk-",
    published: /^sk-[0-9a-f]{32}$/,
    accepted: /^sk-[A-Za-z0-9_-]+$/,
  },
  validate: {
    path: "/user/balance",
    tellsCredit: true,
    rules: [
      { status: 200, isFalse: "is_available", outcome: "valid_no_credit" },
      { status: 200, anyTrue: ["is_available"], outcome: "valid" },
      { status: 401, text: "(governor)", outcome: "header_missing" },
      { status: 401, outcome: "invalid" },
      { status: 402, outcome: "valid_no_credit" },
      { status: 429, outcome: "rate_limited" },
    ],
  },
  callRules: [],
  models: {
    path: "/models",
    roots: ["data"],
    idPath: "id",
    namePath: "name",
    contextLengthPath: "context_window",
    filter: { path: "output_modalities", includes: "text" },
  },
  usage: {
    ...OPENAI_USAGE,
    cacheReadPaths: ["prompt_cache_hit_tokens", "prompt_tokens_details.cached_tokens"],
    cacheMissPath: "prompt_cache_miss_tokens",
  },
  modelIds: { patterns: [/^deepseek-[^/]+$/], firstPartyAuthor: "deepseek" },
};
