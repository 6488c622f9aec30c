import type { Route } from "../../../src/gen/plori/router/v1/router_pb.ts";
import { asRecord } from "../../simulators/wire.ts";
import {
  apiKeyOf,
  CALL_MAX_MS,
  failureFrom,
  type ModelClient,
  type ModelFailure,
  outputLimitOf,
  usageOf,
  withoutAnswer,
} from "./model-client.ts";
import { readEvents } from "./server-sent-events.ts";

/** A call that the provider refused, as `fetch` shows it. */
class RefusedCall extends Error {
  readonly failure: ModelFailure;

  constructor(failure: ModelFailure) {
    super(`HTTP ${failure.httpStatus}`);
    this.failure = failure;
  }
}

async function post(route: Route, prompt: string, more: object): Promise<string> {
  const response = await fetch(`${route.baseUrl}/chat/completions`, {
    method: "POST",
    headers: {
      ...route.headers,
      [route.credentialHeader]: `${route.credentialPrefix}${apiKeyOf(route)}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({
      model: route.upstreamModel,
      messages: [{ role: "user", content: prompt }],
      ...outputLimitOf(route, "max_tokens"),
      ...more,
    }),
    redirect: "error",
    signal: AbortSignal.timeout(CALL_MAX_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new RefusedCall(failureFrom(response.status, response.headers, jsonOrText(text)));
  return text;
}

/** No SDK at all: what the route says is enough to make the call. */
export const FETCH_CLIENT: ModelClient = {
  async whole(route, prompt) {
    const { id, choices, usage } = asRecord(JSON.parse(await post(route, prompt, {})));
    const [first]: readonly unknown[] = Array.isArray(choices) ? choices : [];
    return {
      id: String(id),
      text: String(asRecord(asRecord(first)["message"])["content"]),
      usage: usageOf(usage),
    };
  },
  async streamed(route, prompt) {
    const events = readEvents(await post(route, prompt, { stream: true, stream_options: { include_usage: true } }));
    let id = "";
    let text = "";
    let usage: unknown;
    for (const event of events) {
      const chunk = asRecord(event);
      id = String(chunk["id"]);
      usage = chunk["usage"] ?? usage;
      const [first]: readonly unknown[] = Array.isArray(chunk["choices"]) ? chunk["choices"] : [];
      const { content } = asRecord(asRecord(first)["delta"]);
      if (typeof content === "string") text += content;
    }
    return { id, text, usage: usageOf(usage) };
  },
  failureOf: (error) => (error instanceof RefusedCall ? error.failure : withoutAnswer(String(error))),
};

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Some refusals are plain text.
    return text;
  }
}
