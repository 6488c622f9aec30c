import type { JsonObject } from "@bufbuild/protobuf";
import { type Timestamp, timestampNow } from "@bufbuild/protobuf/wkt";
import OpenAI from "openai";
import type { Provider } from "../../src/base/provider.ts";
import type { Charge } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { RecordOutcome, type RecordResult } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import type { Route } from "../../src/gen/plori/router/v1/router_pb.ts";
import { expectSame, expectThat, present } from "./expectation.ts";
import { ESTIMATE, expectAddsUp } from "./price-list.ts";
import { ACCOUNT, AGENT, HOST, type Stage } from "./stage.ts";

const CALL_MAX_MS = 10_000;
const PROMPT = "Plan the next step.";

/** What the provider's SDK brought back. */
export interface Reply {
  readonly text: string;
  readonly usage: OpenAI.CompletionUsage;
  /** The provider's id of the call. */
  readonly id: string;
  readonly endTime: Timestamp;
}

/** Asks for a route as the host that runs the agent. Rejects as the service refuses. */
export async function resolveRoute(stage: Stage, model: string, callId: string): Promise<Route> {
  const { route } = await stage
    .as(HOST)
    .router.resolveRoute({ account: ACCOUNT, agent: AGENT, model, callId, estimate: ESTIMATE });
  return present(route, "the route");
}

/** Calls the model over the route with the real SDK, as one stream or in one piece. The key lives in this function alone. */
export async function callModel(route: Route, how: "streamed" | "whole" = "whole"): Promise<Reply> {
  expectSame(
    "the header of the credential",
    [route.credentialHeader, route.credentialPrefix],
    ["authorization", "Bearer "],
  );
  const client = new OpenAI({
    apiKey: Buffer.from(route.credential).toString("latin1"),
    baseURL: route.baseUrl,
    defaultHeaders: route.headers,
    maxRetries: 0,
    timeout: CALL_MAX_MS,
  });
  const request = {
    model: route.upstreamModel,
    messages: [{ role: "user" as const, content: PROMPT }],
    ...(route.maxOutputTokens === 0n ? {} : { max_completion_tokens: Number(route.maxOutputTokens) }),
  };
  const reply = how === "whole" ? await callWhole(client, request) : await callStreamed(client, request);
  expectThat(reply.text.endsWith(PROMPT), "the model's answer arrived whole");
  return reply;
}

type Request = Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, "stream">;

async function callWhole(client: OpenAI, request: Request): Promise<Reply> {
  const { id, choices, usage } = await client.chat.completions.create(request);
  const text = choices[0]?.message.content ?? "";
  return { id, text, usage: present(usage, "the answer's usage"), endTime: timestampNow() };
}

async function callStreamed(client: OpenAI, request: Request): Promise<Reply> {
  const stream = await client.chat.completions.create({
    ...request,
    stream: true,
    stream_options: { include_usage: true },
  });
  let id = "";
  let text = "";
  let usage: OpenAI.CompletionUsage | undefined;
  for await (const chunk of stream) {
    id = chunk.id;
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { id, text, usage: present(usage, "the stream's usage"), endTime: timestampNow() };
}

/** Reports a call with the provider's usage object as it came. The usage id is the call's own. */
export async function recordCall(stage: Stage, route: Route, callId: string, reply: Reply): Promise<RecordResult> {
  const providerUsage: JsonObject = JSON.parse(JSON.stringify(reply.usage));
  const { results } = await stage.as(HOST).ledger.recordUsage({
    records: [
      {
        usageId: callId,
        account: ACCOUNT,
        agent: AGENT,
        occurTime: reply.endTime,
        kind: {
          case: "modelCall",
          value: {
            authority: { case: "route", value: route.route },
            callId,
            usage: { case: "providerUsage", value: providerUsage },
            providerRequestId: reply.id,
          },
        },
      },
    ],
  });
  return present(results[0], "the record's result");
}

/** A call from its route to its charge. */
export interface FinishedCall {
  readonly route: Route;
  readonly reply: Reply;
  readonly charge: Charge;
}

/** Resolves, calls and records; expects a new charge that adds up. */
export async function runCall(
  stage: Stage,
  model: string,
  callId: string,
  how?: "streamed" | "whole",
): Promise<FinishedCall> {
  const route = await resolveRoute(stage, model, callId);
  const reply = await callModel(route, how);
  return { route, reply, charge: await expectRecorded(stage, route, callId, reply) };
}

/** Records a call; expects a new charge that adds up. */
export async function expectRecorded(stage: Stage, route: Route, callId: string, reply: Reply): Promise<Charge> {
  const { outcome, charge } = await recordCall(stage, route, callId, reply);
  expectSame(`the outcome of recording ${callId}`, outcome, RecordOutcome.CREATED);
  const created = present(charge, "the charge");
  expectSame("the charge's route", created.route, route.route);
  expectAddsUp(created);
  return created;
}

/** Expects that the provider's last call came with this key and asked for this model: the provider's own log is the witness. */
export function expectBilledTo(stage: Stage, provider: Provider, key: string, upstreamModel: string): void {
  const seen = stage.simulators[provider].requests.filter(({ method }) => method === "POST").at(-1);
  expectSame(
    `${provider}'s last call`,
    [seen?.key, seen?.model, seen?.status],
    [stage.simulators[provider].idOf(key), upstreamModel, 200],
  );
}
