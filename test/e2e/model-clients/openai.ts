import OpenAI from "openai";
import type { Route } from "../../../src/gen/plori/router/v1/router_pb.ts";
import {
  apiKeyOf,
  CALL_MAX_MS,
  failureFrom,
  type ModelClient,
  outputLimitOf,
  usageOf,
  withoutAnswer,
} from "./model-client.ts";

function open(route: Route): OpenAI {
  return new OpenAI({
    apiKey: apiKeyOf(route),
    baseURL: route.baseUrl,
    defaultHeaders: route.headers,
    maxRetries: 0,
    timeout: CALL_MAX_MS,
  });
}

function request(route: Route, prompt: string) {
  return {
    model: route.upstreamModel,
    messages: [{ role: "user" as const, content: prompt }],
    ...outputLimitOf(route, "max_completion_tokens"),
  };
}

/** OpenAI's SDK. */
export const OPENAI_CLIENT: ModelClient = {
  async whole(route, prompt) {
    const { id, choices, usage } = await open(route).chat.completions.create(request(route, prompt));
    return { id, text: choices[0]?.message.content ?? "", usage: usageOf(usage) };
  },
  async streamed(route, prompt) {
    const stream = await open(route).chat.completions.create({
      ...request(route, prompt),
      stream: true,
      stream_options: { include_usage: true },
    });
    let id = "";
    let text = "";
    let usage: object | undefined;
    for await (const chunk of stream) {
      id = chunk.id;
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    return { id, text, usage: usageOf(usage) };
  },
  failureOf(error) {
    if (!(error instanceof OpenAI.APIError)) return withoutAnswer(String(error));
    // This SDK unwraps the body: what it calls `error` stands below "error" there.
    return error.status === undefined
      ? withoutAnswer(error.message)
      : failureFrom(error.status, error.headers, { error: error.error });
  },
};
