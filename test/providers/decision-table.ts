import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import type { ProbeOutcome, RuleOutcome } from "../../src/providers/descriptor.ts";

/** One row of the decision table: what a provider's validation endpoint answers, and what it means for the key. */
export interface Row {
  readonly provider: Provider;
  readonly when: string;
  readonly status: number;
  readonly body: unknown;
  readonly outcome: ProbeOutcome;
  readonly headerMissing: true | undefined;
}

type Line = readonly [when: string, status: number, body: unknown, outcome: RuleOutcome];

const openRouterKey = (more: object) => ({
  data: { label: "x", limit: null, limit_remaining: null, usage: 0, ...more },
});
const flatXai = (code: string, error: string) => ({ code, error });
const openAi = (message: string, type: string, code: string | null) => ({
  error: { message, type, param: null, code },
});
const xaiKey = (more: object) => ({
  api_key_id: "a",
  team_blocked: false,
  api_key_blocked: false,
  api_key_disabled: false,
  ...more,
});
const NO_PERMISSION = "The caller does not have permission to execute the specified operation";

const QUOTA_CODES = [
  "insufficient_quota",
  "credit_balance_exhausted",
  "organization_spend_limit_exceeded",
  "project_spend_limit_exceeded",
  "organization_usage_limit_exceeded",
];

/** Answers as they were seen or are documented; those of which only the status is known have a body of no meaning. */
const LINES: Readonly<Record<Provider, readonly Line[]>> = {
  openrouter: [
    ["a live key", 200, openRouterKey({}), "valid"],
    ["a management key", 200, openRouterKey({ is_management_key: true }), "wrong_kind"],
    ["a provisioning key, as it was called", 200, openRouterKey({ is_provisioning_key: true }), "wrong_kind"],
    ["a spent limit", 200, openRouterKey({ limit: 5, limit_remaining: 0 }), "valid_no_credit"],
    ["an overspent limit", 200, openRouterKey({ limit: 5, limit_remaining: -0.2 }), "valid_no_credit"],
    ["an expiry in the past", 200, openRouterKey({ expires_at: "2026-01-01T00:00:00Z" }), "invalid"],
    ["an expiry to come", 200, openRouterKey({ expires_at: "2027-12-31T00:00:00Z" }), "valid"],
    ["a wrong bearer", 401, { error: { message: "User not found.", code: 401 } }, "invalid"],
    ["no header", 401, { error: { message: "Missing Authentication header", code: 401 } }, "header_missing"],
    ["no header, older wording", 401, { error: { message: "No auth credentials found", code: 401 } }, "header_missing"],
    [
      "no header, oldest wording",
      401,
      { error: { message: "No cookie auth credentials found", code: 401 } },
      "header_missing",
    ],
    [
      "no header, another older wording",
      401,
      { error: { message: "Invalid credentials", code: 401 } },
      "header_missing",
    ],
    ["a server error", 500, { error: { message: "Internal Server Error", code: 500 } }, "unknown"],
    ["a rate limit", 429, { error: { message: "Rate limit exceeded", code: 429 } }, "rate_limited"],
    [
      "no credit",
      402,
      { error: { message: "Insufficient credits. Add more using https://openrouter.ai/credits", code: 402 } },
      "valid_no_credit",
    ],
    [
      "a budget held by requests in flight",
      402,
      { error: { code: 402, message: "x", metadata: { reason: "in_flight_budget_exhausted" } } },
      "rate_limited",
    ],
  ],
  openai: [
    ["a live key", 200, { object: "list", data: [] }, "valid"],
    [
      "a wrong key",
      401,
      openAi("Incorrect API key provided: x.", "invalid_request_error", "invalid_api_key"),
      "invalid",
    ],
    ["no header", 401, openAi("You didn't provide an API key.", "invalid_request_error", null), "header_missing"],
    ["an address off the allowlist", 401, openAi("x", "invalid_request_error", "ip_not_authorized"), "network_refused"],
    [
      "an address off the allowlist, by its text",
      401,
      openAi("Your IP is not authorized", "invalid_request_error", null),
      "network_refused",
    ],
    [
      "an owner outside any organization",
      401,
      openAi(
        "You must be a member of an organization to use the API",
        "invalid_request_error",
        "organization_membership_required",
      ),
      "invalid",
    ],
    [
      "a missing scope, 403",
      403,
      openAi(
        "You have insufficient permissions for this operation. Missing scopes: api.model.read.",
        "invalid_request_error",
        null,
      ),
      "valid_restricted",
    ],
    [
      "a missing scope, 401",
      401,
      openAi("Missing scopes: model.request", "invalid_request_error", null),
      "valid_restricted",
    ],
    [
      "an unsupported country",
      403,
      openAi("x", "request_forbidden", "unsupported_country_region_territory"),
      "network_refused",
    ],
    ["an exhausted quota, by its type", 429, openAi("x", "insufficient_quota", null), "valid_no_credit"],
    ...QUOTA_CODES.map((code): Line => [code, 429, openAi("x", "requests", code), "valid_no_credit"]),
    ["a rate limit", 429, openAi("x", "requests", "rate_limit_exceeded"), "rate_limited"],
    ["slow_down", 429, openAi("x", "server_error", "slow_down"), "rate_limited"],
  ],
  deepseek: [
    ["a live key", 200, { is_available: true, balance_infos: [] }, "valid"],
    ["an empty balance", 200, { is_available: false, balance_infos: [] }, "valid_no_credit"],
    [
      "a wrong key",
      401,
      openAi(
        "Authentication Fails, Your api key: ****abcd is invalid",
        "authentication_error",
        "invalid_request_error",
      ),
      "invalid",
    ],
    [
      "a wrong key, newer body",
      401,
      openAi(
        "Authentication Fails, Your api key: ****abcd is invalid (request_id: 1)",
        "authentication_error",
        "invalid_request_error",
      ),
      "invalid",
    ],
    ["a wrong key, in plain text", 401, "Authentication Fails", "invalid"],
    ["no header", 401, "Authentication Fails (governor)", "header_missing"],
    ["no credit", 402, openAi("Insufficient Balance", "unknown_error", "invalid_request_error"), "valid_no_credit"],
    ["a rate limit", 429, {}, "rate_limited"],
    ["a server error", 500, {}, "unknown"],
    ["an overload", 503, {}, "unknown"],
  ],
  groq: [
    ["a live key", 200, { object: "list", data: [] }, "valid"],
    [
      "a wrong key",
      401,
      { error: { message: "Invalid API Key", type: "invalid_request_error", code: "invalid_api_key" } },
      "invalid",
    ],
    [
      "an address that the edge refuses",
      403,
      { error: { message: "Access denied. Please check your network settings." } },
      "network_refused",
    ],
    [
      "a model blocked for the organization",
      403,
      { error: { message: "x", code: "model_permission_blocked_org" } },
      "valid_restricted",
    ],
    [
      "a model blocked for the project",
      403,
      { error: { message: "x", code: "model_permission_blocked_project" } },
      "valid_restricted",
    ],
    ["some other 403", 403, { error: { message: "x" } }, "unknown"],
    ["a spend limit", 400, { error: { message: "x", code: "blocked_api_access" } }, "valid_no_credit"],
    ["a spend limit, newer code", 400, { error: { message: "x", code: "spend_limit_reached" } }, "valid_no_credit"],
    ["a rate limit", 429, { error: { message: "x", type: "tokens", code: "rate_limit_exceeded" } }, "rate_limited"],
  ],
  xai: [
    ["a live key", 200, xaiKey({}), "valid"],
    ["a blocked key", 200, xaiKey({ api_key_blocked: true }), "blocked"],
    ["a disabled key", 200, xaiKey({ api_key_disabled: true }), "blocked"],
    ["a blocked team", 200, xaiKey({ team_blocked: true }), "blocked"],
    [
      "a wrong key",
      400,
      flatXai(
        "invalid-argument",
        "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai.",
      ),
      "invalid",
    ],
    [
      "a wrong key, older code",
      400,
      flatXai("Client specified an invalid argument", "Incorrect API key provided: xa***."),
      "invalid",
    ],
    ["some other 400", 400, flatXai("invalid-argument", "x"), "unknown"],
    ["no header", 401, flatXai("unauthenticated:no-credentials", "No credentials presented."), "header_missing"],
    [
      "no header, newer body",
      401,
      flatXai("No credentials presented.", "x [WKE=unauthenticated:no-credentials]"),
      "header_missing",
    ],
    [
      "a team without credits",
      403,
      flatXai(NO_PERMISSION, "Your newly created team doesn't have any credits or licenses yet."),
      "valid_no_credit",
    ],
    [
      "a spent team",
      403,
      flatXai(
        "permission-denied",
        "Your team has either used all available credits or reached its monthly spending limit.",
      ),
      "valid_no_credit",
    ],
    ["an ACL", 403, flatXai("permission-denied", "x"), "valid_restricted"],
    ["a block, told by 403", 403, flatXai(NO_PERMISSION, "The team is blocked."), "blocked"],
    [
      "exhausted credits, told by 429",
      429,
      flatXai("resource-exhausted", "Your team has used all available credits."),
      "valid_no_credit",
    ],
    ["a rate limit", 429, flatXai("Some resource has been exhausted", "x"), "rate_limited"],
  ],
  together: [
    ["a live key", 200, [], "valid"],
    ["a live key, wrapped list", 200, { data: [] }, "valid"],
    [
      "a wrong key",
      401,
      openAi("Invalid API key provided. You can find your API key at x", "invalid_request_error", "invalid_api_key"),
      "invalid",
    ],
    ["no header", 401, "Missing API key", "header_missing"],
    ["no header, JSON", 401, openAi("x", "invalid_request_error", "missing_api_key"), "header_missing"],
    ["a spending limit", 402, {}, "valid_no_credit"],
    ["403, which means a long context there", 403, {}, "unknown"],
    ["a rate limit", 429, {}, "rate_limited"],
    ["a server error", 500, {}, "unknown"],
    ["an overload", 503, {}, "unknown"],
    ["a gateway timeout", 504, "", "unknown"],
  ],
};

/** The decision table. */
export const DECISION_TABLE: readonly Row[] = PROVIDERS.flatMap((provider) =>
  LINES[provider].map(([when, status, body, found]) => ({
    provider,
    when,
    status,
    body,
    outcome: found === "header_missing" ? "unknown" : found,
    headerMissing: found === "header_missing" ? true : undefined,
  })),
);
