import { expect, test } from "vitest";
import type { Provider } from "../../src/base/provider.ts";
import { judgeReport } from "../../src/providers/call-report.ts";
import type { CallFinding } from "../../src/providers/descriptor.ts";
import { describeProvider } from "../../src/providers/descriptors.ts";

const ROWS: readonly (readonly [Provider, number, string, string, CallFinding])[] = [
  ["openai", 200, "", "", "ok"],
  ["openai", 401, "invalid_api_key", "", "key_refused"],
  ["openai", 429, "insufficient_quota", "", "no_credit"],
  ["openai", 429, "rate_limit_exceeded", "", "rate_limited"],
  ["openai", 403, "", "You have insufficient permissions. Missing scopes: model.request", "restricted"],
  ["openai", 404, "model_not_found", "", "model_refused"],
  ["openrouter", 402, "402", "Insufficient credits", "no_credit"],
  ["openrouter", 402, "402", "reason: in_flight_budget_exhausted", "rate_limited"],
  ["openrouter", 403, "403", "moderation", "request_refused"],
  ["deepseek", 402, "invalid_request_error", "Insufficient Balance", "no_credit"],
  ["groq", 400, "blocked_api_access", "", "no_credit"],
  ["groq", 400, "spend_limit", "", "no_credit"],
  ["groq", 403, "", "Access denied. Please check your network settings.", "network_refused"],
  ["groq", 403, "model_permission_blocked_org", "", "model_refused"],
  ["groq", 498, "", "", "rate_limited"],
  ["xai", 400, "invalid-argument", "Incorrect API key provided", "key_refused"],
  ["xai", 400, "invalid-argument", "max_tokens is too large", "request_refused"],
  ["xai", 403, "permission-denied", "used all available credits", "no_credit"],
  ["xai", 403, "permission-denied", "", "restricted"],
  ["together", 403, "", "input is too long", "request_refused"],
  ["together", 400, "model_not_available", "", "model_refused"],
  ["together", 503, "", "", "provider_down"],
  ["together", 0, "", "", "provider_down"],
];

test.each(ROWS)("%s: %i %s %s means %s", (provider, httpStatus, code, message, finding) => {
  expect(judgeReport(describeProvider(provider), { httpStatus, code, message })).toBe(finding);
});
