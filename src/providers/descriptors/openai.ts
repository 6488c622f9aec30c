import type { ProviderDescriptor } from "../descriptor.ts";
import { BEARER, OPENAI_USAGE } from "./common.ts";

/** Error codes of OpenAI's 429 that mean "nothing left to spend" (help.openai.com/en/articles/6614457), not "too fast". */
const NO_CREDIT_CODES = [
  "insufficient_quota",
  "credit_balance_exhausted",
  "organization_spend_limit_exceeded",
  "project_spend_limit_exceeded",
  "organization_usage_limit_exceeded",
];

/**
 * OpenAI. Sources: openai-openapi, developers.openai.com/docs/guides/error-codes, key format from trufflehog, gitleaks and betterleaks
 * (`T3BlbkFJ` is base64 of "OpenAI"). A 200 says nothing about credit. Scope errors carry no code, so their text is matched.
 */
export const OPENAI: ProviderDescriptor = {
  slug: "openai",
  displayName: "OpenAI",
  covers: "OpenAI models",
  keyPageUrl: "https://platform.openai.com/api-keys",
  oneClick: false,
  baseUrl: "https://api.openai.com/v1",
  chatPath: "/chat/completions",
  auth: BEARER,
  headers: {},
  key: {
    noun: "an OpenAI key",
    prefix: "sk-",
    published: /^sk-(?:(?:proj|svcacct|service)-[A-Za-z0-9_-]+|[A-Za-z0-9]+)T3BlbkFJ[A-Za-z0-9_-]+$/,
    accepted: /^sk-(?![0-9a-f]{32}$)[A-Za-z0-9_-]+$/,
    claims: /^sk-(?:proj-|svcacct-|service-|[A-Za-z0-9_-]*T3BlbkFJ)/,
    rejected: /^sk-admin-/,
  },
  validate: {
    path: "/models",
    rules: [
      { status: 200, hasList: ["data"], outcome: "valid" },
      { status: [401, 403], text: "missing scopes", outcome: "valid_restricted" },
      { status: 401, codes: ["invalid_api_key"], outcome: "invalid" },
      { status: 401, codes: ["ip_not_authorized"], outcome: "network_refused" },
      { status: 401, text: "ip is not authorized", outcome: "network_refused" },
      { status: 401, text: "didn't provide an api key", outcome: "header_missing" },
      { status: 401, outcome: "invalid" },
      { status: 403, codes: ["unsupported_country_region_territory"], outcome: "network_refused" },
      { status: 429, type: "insufficient_quota", outcome: "valid_no_credit" },
      { status: 429, codes: NO_CREDIT_CODES, outcome: "valid_no_credit" },
      { status: 429, outcome: "rate_limited" },
    ],
  },
  callRules: [
    { status: 429, type: "insufficient_quota", outcome: "no_credit" },
    { status: 429, codes: NO_CREDIT_CODES, outcome: "no_credit" },
    { status: [401, 403], text: "missing scopes", outcome: "restricted" },
    { status: 401, codes: ["ip_not_authorized"], outcome: "network_refused" },
    { status: 401, text: "ip is not authorized", outcome: "network_refused" },
    { status: 403, codes: ["unsupported_country_region_territory"], outcome: "network_refused" },
    { status: 403, codes: ["model_not_found"], outcome: "model_refused" },
  ],
  models: {
    path: "/models",
    roots: ["data"],
    idPath: "id",
    // The list names every model of the project's and tells nothing of their kind.
    otherThanChat:
      /^(?:text-|tts-|whisper-|dall-e|gpt-image|sora|omni-moderation|babbage|davinci|chatgpt-image)|-(?:tts|transcribe|realtime|image)(?:-|$)/,
  },
  usage: { ...OPENAI_USAGE, cacheWritePath: "prompt_tokens_details.cache_write_tokens" },
  modelIds: {
    // `gpt-oss` models are open weights that OpenAI itself does not serve.
    patterns: [/^(?:gpt-(?!oss)|chatgpt-|codex-|ft:|text-embedding-|tts-)[^/]*$/, /^o[134](?:-[^/]*)?$/, /^whisper-1$/],
    firstPartyAuthor: "openai",
  },
};
