import { createHash } from "node:crypto";
import { openAiUsage } from "../openai-shapes.ts";
import type { ProviderSpec } from "../provider-spec.ts";
import { HEX, randomText } from "../random-text.ts";
import { remainingUsd, type SimKey } from "../sim-key.ts";
import { costTicksOf } from "../token-script.ts";
import { json, type WireAnswer } from "../wire.ts";
import { createOpenRouterConsent } from "./openrouter-consent.ts";

const PAGE_MAX = 1000;

/** OpenRouter's wire, after its OpenAPI and docs. */
export const OPENROUTER_SPEC: ProviderSpec = {
  provider: "openrouter",
  models: [
    "anthropic/claude-opus-4.8",
    "anthropic/claude-sonnet-4.9",
    "openai/gpt-5.5",
    "openai/gpt-oss-120b",
    "google/gemma-4-31b-it",
    "deepseek/deepseek-v4-pro",
    "qwen/qwen3-32b",
    "x-ai/grok-4.3",
    "z-ai/glm-5.2",
    "openrouter/auto",
  ],
  mintText: () => `sk-or-${"v1"}-${randomText(HEX, 64)}`,
  gets: {
    "/api/v1/key": { answer: ({ key }) => keyInfo(key) },
    "/api/v1/auth/key": { answer: ({ key }) => keyInfo(key) },
    // Served to anybody, whatever the key: no way to find out whether one works.
    "/api/v1/models": { open: true, answer: ({ models, url }) => modelPage(models, url) },
    "/api/v1/models/user": { answer: ({ models, url }) => modelPage(models, url) },
    "/api/v1/credits": { answer: () => failure(403, "Only management keys can fetch credits for an account") },
  },
  chatPaths: ["/api/v1/chat/completions"],
  missingKey: {
    get: failure(401, "Missing Authentication header"),
    call: failure(401, "Missing Authentication header"),
  },
  wrongKey: () => failure(401, "User not found."),
  conditions: {
    live: {},
    revoked: { get: () => failure(401, "User not found."), call: () => failure(401, "User not found.") },
    expired: { call: () => failure(401, "User not found.") },
    wrong_kind: { call: () => failure(401, "Management keys cannot be used for completions") },
    no_credit: { call: () => failure(402, "Insufficient credits. Add more using https://openrouter.ai/credits") },
    budget_in_flight: {
      call: () =>
        failure(402, "Your in-flight requests hold the rest of your budget", {
          reason: "in_flight_budget_exhausted",
          limit_source: "openrouter_credits",
        }),
    },
    rate_limited: { get: rateLimited, call: rateLimited },
    restricted: {
      call: () => failure(403, "This key's guardrails do not allow the request", { error_type: "permission_denied" }),
    },
  },
  unknownModel: (model) => failure(400, `${model} is not a valid model ID`),
  usage: (tokens) => {
    const promptCost = costTicksOf({ ...tokens, output: 0, reasoning: 0 }) / 1e10;
    const cost = costTicksOf(tokens) / 1e10;
    const cost_details = {
      upstream_inference_cost: null,
      upstream_inference_prompt_cost: promptCost,
      upstream_inference_completions_cost: cost - promptCost,
    };
    return { ...openAiUsage(tokens), cost, is_byok: false, cost_details };
  },
  idPrefix: "gen-",
  completionFields: { system_fingerprint: null },
  alwaysStreamsUsage: true,
  oneClick: createOpenRouterConsent,
};

function failure(code: number, message: string, metadata?: Readonly<Record<string, string>>): WireAnswer {
  return json(code, { error: metadata === undefined ? { message, code } : { message, code, metadata } });
}

function rateLimited(key: SimKey): WireAnswer {
  const seconds = String(key.retryAfterSeconds);
  const body = {
    error: { message: "Rate limit exceeded", code: 429, metadata: { error_type: "rate_limit_exceeded" } },
  };
  return json(429, body, { "retry-after": seconds, "x-ratelimit-limit": "20", "x-ratelimit-remaining": "0" });
}

function keyInfo(key: SimKey | undefined): WireAnswer {
  if (key === undefined) return failure(401, "User not found.");
  const remaining = remainingUsd(key);
  const usage = key.spend.costTicks / 1e10;
  const management = key.condition === "wrong_kind";
  const data = {
    // An unnamed key is labelled with its own masked text.
    label: `${key.text.slice(0, 12)}...${key.text.slice(-4)}`,
    limit: key.limitUsd ?? (remaining === undefined ? null : usage),
    limit_remaining: remaining ?? null,
    limit_reset: null,
    include_byok_in_limit: false,
    usage,
    usage_daily: usage,
    usage_weekly: usage,
    usage_monthly: usage,
    byok_usage: 0,
    byok_usage_daily: 0,
    byok_usage_weekly: 0,
    byok_usage_monthly: 0,
    is_free_tier: false,
    is_management_key: management,
    is_provisioning_key: management,
    creator_user_id: `user_${createHash("sha256").update(key.id).digest("hex").slice(0, 24)}`,
    expires_at: key.condition === "expired" ? "2020-01-01T00:00:00Z" : (key.expiresAt ?? null),
    rate_limit: { requests: -1, interval: "10s", note: "This field is deprecated and safe to ignore." },
  };
  return json(200, { data });
}

function modelPage(models: readonly string[], url: URL): WireAnswer {
  const asked = url.searchParams.has("offset") || url.searchParams.has("limit");
  const offset = asked ? Number(url.searchParams.get("offset") ?? "0") : 0;
  const limit = asked ? Math.min(Number(url.searchParams.get("limit") ?? PAGE_MAX), PAGE_MAX) : models.length;
  const end = offset + limit;
  const next = end < models.length ? `${url.origin}${url.pathname}?offset=${end}&limit=${limit}` : null;
  return json(200, { data: models.slice(offset, end).map(modelEntry), total_count: models.length, links: { next } });
}

function modelEntry(id: string) {
  return {
    id,
    canonical_slug: id,
    name: id,
    created: 1_786_000_000,
    pricing: { prompt: "0.000003", completion: "0.000015", request: "0", image: "0" },
    context_length: 200_000,
    architecture: { input_modalities: ["text"], output_modalities: ["text"], tokenizer: "Other", instruct_type: null },
    top_provider: { context_length: 200_000, max_completion_tokens: 64_000, is_moderated: false },
    per_request_limits: null,
    supported_parameters: ["max_tokens", "temperature"],
    default_parameters: null,
    supported_voices: null,
    links: { details: `/api/v1/models/${id}/endpoints` },
  };
}
