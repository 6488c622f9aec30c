import Groq from "groq-sdk";
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

/** The SDK puts this before every path by itself, so it must not stand in its base URL. */
const OWN_PATH = "/openai/v1";

function open(route: Route): Groq {
  if (!route.baseUrl.endsWith(OWN_PATH)) throw new Error("Groq's SDK cannot reach this base URL");
  return new Groq({
    apiKey: apiKeyOf(route),
    baseURL: route.baseUrl.slice(0, -OWN_PATH.length),
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

/** Groq's SDK. A stream's usage comes in Groq's own field of the last chunk, asked for or not. */
export const GROQ_CLIENT: ModelClient = {
  async whole(route, prompt) {
    const { id, choices, usage } = await open(route).chat.completions.create(request(route, prompt));
    return { id, text: choices[0]?.message.content ?? "", usage: usageOf(usage) };
  },
  async streamed(route, prompt) {
    const stream = await open(route).chat.completions.create({ ...request(route, prompt), stream: true });
    let id = "";
    let text = "";
    let usage: object | undefined;
    for await (const chunk of stream) {
      id = chunk.id;
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.x_groq?.usage ?? usage;
    }
    return { id, text, usage: usageOf(usage) };
  },
  failureOf(error) {
    if (!(error instanceof Groq.APIError)) return withoutAnswer(String(error));
    return error.status === undefined
      ? withoutAnswer(error.message)
      : failureFrom(error.status, error.headers, error.error ?? error.message);
  },
};
