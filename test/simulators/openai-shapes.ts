import type { CallTokens } from "./token-script.ts";
import { json, type WireAnswer } from "./wire.ts";

/** OpenAI's error envelope (openai-openapi `ErrorResponse`), which most of the others use. */
export function openAiError(
  status: number,
  message: string,
  type: string,
  code: string | null,
  headers: Readonly<Record<string, string>> = {},
): WireAnswer {
  return json(status, { error: { message, type, param: null, code } }, headers);
}

/** OpenAI's list envelope. */
export function openAiList(models: readonly string[], ownedBy: string): WireAnswer {
  const data = models.map((id) => ({ id, object: "model", created: 1_786_000_000, owned_by: ownedBy }));
  return json(200, { object: "list", data });
}

/** OpenAI's `CompletionUsage`: totals contain their parts. */
export function openAiUsage(tokens: CallTokens) {
  const completion = tokens.output + tokens.reasoning;
  return {
    prompt_tokens: tokens.input,
    completion_tokens: completion,
    total_tokens: tokens.input + completion,
    prompt_tokens_details: {
      cached_tokens: tokens.cacheRead,
      cache_write_tokens: tokens.cacheWrite,
      audio_tokens: 0,
    },
    completion_tokens_details: {
      reasoning_tokens: tokens.reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
