import type { ProviderDescriptor } from "../descriptor.ts";
import { BEARER, OPENAI_USAGE } from "./common.ts";

/**
 * Groq. Sources: console.groq.com/docs (api-reference, errors, model-permissions, spend-limits), key format from trufflehog, kingfisher and
 * betterleaks. Its edge refuses many data-centre addresses before it looks at the key, so its 403 says nothing about the key.
 * A request without a header gets the same 401 as a wrong key.
 */
export const GROQ: ProviderDescriptor = {
  slug: "groq",
  displayName: "Groq",
  covers: "Models hosted on Groq",
  keyPageUrl: "https://console.groq.com/keys",
  oneClick: false,
  baseUrl: "https://api.groq.com/openai/v1",
  chatPath: "/chat/completions",
  auth: BEARER,
  headers: {},
  key: {
    noun: "a Groq key",
    prefix: "gsk_",
    published: /^gsk_[A-Za-z0-9]{52}$/,
    accepted: /^gsk_[A-Za-z0-9_-]+$/,
    claims: /^gsk_/,
  },
  validate: {
    path: "/models",
    rules: [
      { status: 200, hasList: ["data"], outcome: "valid" },
      { status: 401, outcome: "invalid" },
      { status: 403, text: "check your network settings", outcome: "network_refused" },
      { status: 403, codePrefix: "model_permission_blocked", outcome: "valid_restricted" },
      { status: 400, codes: ["blocked_api_access"], outcome: "valid_no_credit" },
      { status: 400, codePrefix: "spend_", outcome: "valid_no_credit" },
      { status: 429, outcome: "rate_limited" },
    ],
  },
  callRules: [
    { status: 400, codes: ["blocked_api_access"], outcome: "no_credit" },
    { status: 400, codePrefix: "spend_", outcome: "no_credit" },
    { status: 400, codes: ["model_decommissioned", "model_not_found"], outcome: "model_refused" },
    { status: 403, text: "check your network settings", outcome: "network_refused" },
    { status: 403, codePrefix: "model_permission_blocked", outcome: "model_refused" },
    // 498: no flex capacity left just now.
    { status: 498, outcome: "rate_limited" },
  ],
  models: {
    path: "/models",
    roots: ["data"],
    idPath: "id",
    contextLengthPath: "context_window",
    filter: { path: "active", not: false },
    otherThanChat: /^whisper-|tts|orpheus|prompt-guard/,
  },
  usage: OPENAI_USAGE,
  modelIds: {
    patterns: [
      /^groq\/compound(?:-[^/]*)?$/,
      /^llama-3[^/]*-(?:instant|versatile)$/,
      /^whisper-large-v3[^/]*$/,
      /^allam-[^/]+$/,
    ],
  },
};
