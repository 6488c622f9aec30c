import type { JsonObject } from "@bufbuild/protobuf";
import { HTTPClient, OpenRouter } from "@openrouter/sdk";
import { OpenRouterError } from "@openrouter/sdk/models/errors";
import type { Route } from "../../../src/gen/plori/router/v1/router_pb.ts";
import { asRecord } from "../../simulators/wire.ts";
import {
  apiKeyOf,
  CALL_MAX_MS,
  failureFrom,
  type ModelClient,
  outputLimitOf,
  usageOf,
  withoutAnswer,
} from "./model-client.ts";
import { readEvents } from "./server-sent-events.ts";

/** A client that keeps a copy of what came over the wire: the SDK renames the fields of the usage object, and the ledger wants it as it was. */
function open(route: Route): { readonly client: OpenRouter; readonly copy: () => Promise<string> } {
  let copy = Promise.resolve("");
  const httpClient = new HTTPClient();
  httpClient.addHook("beforeRequest", (request) => {
    for (const [name, value] of Object.entries(route.headers)) request.headers.set(name, value);
  });
  httpClient.addHook("response", (response) => {
    copy = response.clone().text();
    // A stream that breaks off breaks the copy too; who reads the stream is told.
    copy.catch(() => {});
  });
  const client = new OpenRouter({
    apiKey: apiKeyOf(route),
    serverURL: route.baseUrl,
    httpClient,
    retryConfig: { strategy: "none" },
    timeoutMs: CALL_MAX_MS,
  });
  return { client, copy: () => copy };
}

function request(route: Route, prompt: string) {
  return {
    model: route.upstreamModel,
    messages: [{ role: "user" as const, content: prompt }],
    ...outputLimitOf(route, "maxTokens"),
  };
}

/** OpenRouter's SDK. */
export const OPENROUTER_CLIENT: ModelClient = {
  async whole(route, prompt) {
    const { client, copy } = open(route);
    const result = await client.chat.send({ chatRequest: { ...request(route, prompt), stream: false } });
    if (!("choices" in result)) throw new Error("a stream came although none was asked for");
    const content: unknown = result.choices[0]?.message.content;
    const text = typeof content === "string" ? content : "";
    return { id: result.id, text, usage: usageIn(JSON.parse(await copy())) };
  },
  async streamed(route, prompt) {
    const { client, copy } = open(route);
    const stream = await client.chat.send({ chatRequest: { ...request(route, prompt), stream: true } });
    if ("choices" in stream) throw new Error("no stream came although one was asked for");
    let id = "";
    let text = "";
    for await (const chunk of stream) {
      id = chunk.id;
      text += chunk.choices[0]?.delta.content ?? "";
    }
    const last = readEvents(await copy()).at(-1);
    return { id, text, usage: usageIn(last) };
  },
  failureOf(error) {
    if (!(error instanceof OpenRouterError)) return withoutAnswer(String(error));
    return failureFrom(error.statusCode, error.headers, JSON.parse(error.body));
  },
};

function usageIn(body: unknown): JsonObject {
  return usageOf(asRecord(body)["usage"]);
}
