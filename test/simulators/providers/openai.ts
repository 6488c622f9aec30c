import { openAiError, openAiList, openAiUsage } from "../openai-shapes.ts";
import type { ProviderSpec } from "../provider-spec.ts";
import { ALNUM, randomText } from "../random-text.ts";
import { maskedKey, type SimKey } from "../sim-key.ts";
import type { WireAnswer } from "../wire.ts";

const NO_KEY = openAiError(
  401,
  "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
  "invalid_request_error",
  null,
);

/** OpenAI's wire, after openai-openapi and its error codes page. A list says nothing about credit. */
export const OPENAI_SPEC: ProviderSpec = {
  provider: "openai",
  models: [
    "gpt-5.5",
    "gpt-5.4-mini",
    "gpt-5.6-sol",
    "o4-mini",
    "chatgpt-4o-latest",
    "text-embedding-3-large",
    "whisper-1",
  ],
  mintText: () => `sk-${"proj"}-${randomText(`${ALNUM}_-`, 74)}T3Blbk${"FJ"}${randomText(`${ALNUM}_-`, 74)}`,
  gets: { "/v1/models": { answer: ({ models }) => openAiList(models, "system") } },
  chatPaths: ["/v1/chat/completions"],
  missingKey: { get: NO_KEY, call: NO_KEY },
  wrongKey: incorrectKey,
  conditions: {
    live: {},
    revoked: both((key) => incorrectKey(key.text)),
    // The key may call models; it only lacks the scope to list them.
    restricted: {
      get: () =>
        openAiError(
          403,
          "You have insufficient permissions for this operation. Missing scopes: api.model.read. Check that you have the correct role in your organization (Reader, Writer, Owner) and project (Member, Owner), and if you're using a restricted API key, that it has the necessary scopes.",
          "invalid_request_error",
          null,
        ),
    },
    no_credit: both(() =>
      openAiError(
        429,
        "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "insufficient_quota",
        "insufficient_quota",
      ),
    ),
    rate_limited: both((key) =>
      openAiError(429, "Rate limit reached for requests per min.", "requests", "rate_limit_exceeded", {
        "retry-after": String(key.retryAfterSeconds),
      }),
    ),
    network_refused: both(() =>
      openAiError(401, "Your IP is not authorized to access this API.", "invalid_request_error", "ip_not_authorized"),
    ),
    country_refused: both(() =>
      openAiError(
        403,
        "Country, region, or territory not supported",
        "request_forbidden",
        "unsupported_country_region_territory",
      ),
    ),
    no_organization: both(() =>
      openAiError(
        401,
        "You must be a member of an organization to use the API. Please contact us to get added to a new organization.",
        "invalid_request_error",
        "organization_membership_required",
      ),
    ),
  },
  unknownModel: (model) =>
    openAiError(
      404,
      `The model \`${model}\` does not exist or you do not have access to it.`,
      "invalid_request_error",
      "model_not_found",
    ),
  usage: openAiUsage,
  idPrefix: "chatcmpl-",
  alwaysStreamsUsage: false,
};

function both(answer: (key: SimKey) => WireAnswer) {
  return { get: answer, call: answer };
}

function incorrectKey(text: string): WireAnswer {
  return openAiError(
    401,
    `Incorrect API key provided: ${maskedKey(text)}. You can find your API key at https://platform.openai.com/account/api-keys.`,
    "invalid_request_error",
    "invalid_api_key",
  );
}
