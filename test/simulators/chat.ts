import type { ServerResponse } from "node:http";
import type { ProviderSpec } from "./provider-spec.ts";
import { ALNUM, randomText } from "./random-text.ts";
import { type CallTokens, contentOf } from "./token-script.ts";
import { asRecord } from "./wire.ts";

const ECHO_MAX_WORDS = 40;

/** A chat completion request, as far as the simulators care. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly unknown[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly maxTokens: number | undefined;
}

/** Reads a request's body; undefined when it is none. */
export function readChatRequest(body: unknown): ChatRequest | undefined {
  const { model, messages, stream, stream_options, max_tokens, max_completion_tokens } = asRecord(body);
  if (typeof model !== "string" || model === "" || !Array.isArray(messages) || messages.length === 0) return undefined;
  const max = max_completion_tokens ?? max_tokens;
  return {
    model,
    messages,
    stream: stream === true,
    includeUsage: asRecord(stream_options)["include_usage"] === true,
    maxTokens: typeof max === "number" ? max : undefined,
  };
}

/** What the simulated model says, word by word: an echo, cut at the request's own limit. */
export function replyTo(request: ChatRequest): { readonly words: readonly string[]; readonly finishReason: string } {
  const said = contentOf(request.messages.at(-1))
    .split(/\s+/)
    .filter((word) => word !== "");
  const words = ["You", "said:", ...said.slice(0, ECHO_MAX_WORDS)];
  if (request.maxTokens === undefined || request.maxTokens >= words.length) return { words, finishReason: "stop" };
  return { words: words.slice(0, request.maxTokens), finishReason: "length" };
}

/** A whole completion in one body. */
export function completionBody(spec: ProviderSpec, request: ChatRequest, tokens: CallTokens) {
  const { words, finishReason } = replyTo(request);
  const message = { role: "assistant", content: words.join(" "), refusal: null };
  return {
    ...headOf(spec, request, "chat.completion"),
    ...spec.completionFields,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason }],
    usage: spec.usage(tokens),
  };
}

/** Writes a completion as server-sent events; breaks the connection after `cutAfterChunks`, if that is given. */
export function streamCompletion(
  response: ServerResponse,
  spec: ProviderSpec,
  request: ChatRequest,
  tokens: CallTokens,
  cutAfterChunks: number | undefined,
): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  // A comment line: clients must pass over it.
  if (spec.alwaysStreamsUsage) response.write(": PROCESSING\n\n");
  const chunks = chunksOf(spec, request, tokens);
  for (const [index, chunk] of chunks.entries()) {
    if (index === cutAfterChunks) {
      response.socket?.destroySoon();
      return;
    }
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  }
  response.end("data: [DONE]\n\n");
}

function chunksOf(spec: ProviderSpec, request: ChatRequest, tokens: CallTokens): object[] {
  const head = headOf(spec, request, "chat.completion.chunk");
  const usage = spec.usage(tokens);
  const withUsage = spec.alwaysStreamsUsage || request.includeUsage;
  const { words, finishReason } = replyTo(request);
  const chunk = (delta: object, finish: string | null, more: object = {}) => ({
    ...head,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(request.includeUsage ? { usage: null } : {}),
    ...more,
  });
  return [
    chunk({ role: "assistant", content: "" }, null),
    ...words.map((word, index) => chunk({ content: index === 0 ? word : ` ${word}` }, null)),
    chunk({}, finishReason, spec.lastChunk?.(usage)),
    ...(withUsage ? [{ ...head, choices: [], usage }] : []),
  ];
}

function headOf(spec: ProviderSpec, request: ChatRequest, object: string) {
  return {
    id: `${spec.idPrefix}${randomText(ALNUM, 24)}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: request.model,
  };
}
