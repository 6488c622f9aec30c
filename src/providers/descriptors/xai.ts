import type { ProviderDescriptor } from "../descriptor.ts";
import { BEARER, OPENAI_USAGE } from "./common.ts";

/**
 * xAI. Sources: docs.x.ai (debugging, api-key, language-models), usage from vercel/ai `convert-xai-chat-usage.ts`, ticks from
 * xai-sdk-python `cost.py`, key format from trufflehog and kingfisher. A wrong key is 400 here, and no credit is 403.
 */
export const XAI: ProviderDescriptor = {
  slug: "xai",
  displayName: "xAI (Grok)",
  covers: "Grok models",
  keyPageUrl: "https://console.x.ai",
  oneClick: false,
  baseUrl: "https://api.x.ai/v1",
  chatPath: "/chat/completions",
  auth: BEARER,
  headers: {},
  key: {
    noun: "an xAI key",
    prefix: "xai-",
    published: /^xai-[0-9A-Za-z_]{80}$/,
    accepted: /^xai-[A-Za-z0-9_-]+$/,
    claims: /^xai-/,
  },
  validate: {
    path: "/api-key",
    rules: [
      { status: 200, anyTrue: ["api_key_blocked", "api_key_disabled", "team_blocked"], outcome: "blocked" },
      {
        status: 200,
        hasAny: ["api_key_id", "api_key_blocked", "api_key_disabled", "team_blocked"],
        outcome: "valid",
      },
      { status: 400, text: "incorrect api key", outcome: "invalid" },
      { status: 400, text: "invalid api key", outcome: "invalid" },
      { status: 401, text: "no-credentials", outcome: "header_missing" },
      { status: 401, outcome: "invalid" },
      { status: 403, text: "credits", outcome: "valid_no_credit" },
      { status: 403, text: "spending limit", outcome: "valid_no_credit" },
      { status: 403, text: "blocked", outcome: "blocked" },
      { status: 403, text: "disabled", outcome: "blocked" },
      { status: 403, outcome: "valid_restricted" },
      { status: 429, text: "credits", outcome: "valid_no_credit" },
      { status: 429, text: "spending limit", outcome: "valid_no_credit" },
      { status: 429, outcome: "rate_limited" },
    ],
  },
  callRules: [
    { status: 400, text: "incorrect api key", outcome: "key_refused" },
    { status: 400, text: "invalid api key", outcome: "key_refused" },
    { status: [403, 429], text: "credits", outcome: "no_credit" },
    { status: [403, 429], text: "spending limit", outcome: "no_credit" },
  ],
  models: {
    path: "/language-models",
    roots: ["models"],
    idPath: "id",
    aliasesPath: "aliases",
    contextLengthPath: "context_length",
    fallback: { path: "/models", roots: ["data"] },
    otherThanChat: /imagine|-image|-video/,
  },
  usage: {
    ...OPENAI_USAGE,
    outputIncludesReasoning: false,
    cacheMayExceedInput: true,
    cost: { path: "cost_in_usd_ticks", decimals: 10 },
  },
  modelIds: { patterns: [/^grok-[^/]+$/], firstPartyAuthor: "x-ai" },
};
