import { once } from "node:events";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import type { CallerName } from "../support/service-process.ts";
import type { Stage } from "./stage.ts";

const ANSWER_MAX_MS = 10_000;

/** An answer as curl would print it. */
export interface JsonAnswer {
  readonly status: number;
  readonly body: string;
}

/** Calls an RPC with plain JSON over HTTP/1.1 on the Connect door, with the caller's certificate, as curl does. */
export async function postJson(stage: Stage, caller: CallerName, rpc: string, body: object): Promise<JsonAnswer> {
  const sent = request(`https://localhost:${stage.service.connectPort}/${rpc}`, {
    ...stage.service.pem(caller),
    method: "POST",
    agent: false,
    headers: { "content-type": "application/json" },
    signal: AbortSignal.timeout(ANSWER_MAX_MS),
  });
  sent.end(JSON.stringify(body));
  const [answer] = await once(sent, "response");
  return { status: answer.statusCode, body: await text(answer) };
}
