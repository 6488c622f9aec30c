import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Provider } from "../../src/base/provider.ts";
import { completionBody, readChatRequest, replyTo, streamCompletion } from "./chat.ts";
import type { Consent } from "./consent.ts";
import { answerOfFault, type Fault, type FaultScope } from "./fault.ts";
import { conditionOf, createKeyRing, type KeyRing } from "./key-ring.ts";
import type { ProviderSpec } from "./provider-spec.ts";
import type { SimKey } from "./sim-key.ts";
import { costTicksOf, countTokens } from "./token-script.ts";
import { bodyText, json, type WireAnswer } from "./wire.ts";

const REQUEST_MAX_BYTES = 10 * 1024 * 1024;
const LOG_MAX_ENTRIES = 10_000;
const LONG_ID_CHARS = 100;
const SHORT_ID_CHARS = 14;

/** One request that a simulated provider saw. Keys stand in it by id; `key` is absent when none of its keys was presented. */
export interface LoggedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly key?: string;
  readonly model?: string;
  /** 0: the request was left without an answer. */
  readonly status: number;
}

/** One simulated provider: a real HTTP server on loopback that speaks the provider's wire. */
export interface ProviderSimulator extends KeyRing {
  readonly provider: Provider;
  /** For PLORI_PROVIDER_URLS: "http://127.0.0.1:41234". It stays the same through `goDown` and `comeBack`. */
  readonly origin: string;
  readonly requests: readonly LoggedRequest[];
  /** The provider's one click. Throws when it has none. */
  readonly consent: Consent;
  readonly models: readonly string[];
  setModels(models: readonly string[]): void;
  setFault(fault: Fault | undefined, scope?: FaultScope): void;
  /** Every answer waits so long, in milliseconds. */
  setLatency(ms: number): void;
  /** Refuses connections, and cuts those that are open, until `comeBack`. */
  goDown(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

/** Starts one on 127.0.0.1:`port`; 0 takes a free port. */
export async function startSimulator(spec: ProviderSpec, port = 0): Promise<ProviderSimulator> {
  const ring = createKeyRing(spec);
  const requests: LoggedRequest[] = [];
  const state: SimulatorState = { models: spec.models, fault: undefined, scope: "all", latencyMs: 0 };
  const consent = spec.oneClick?.((options) => ring.mintKey(options));
  const server = createServer((request, response) => {
    serve({ spec, ring, state, consent, request, response }).then(
      (entry) => {
        requests.push(entry);
        if (requests.length > LOG_MAX_ENTRIES) requests.shift();
      },
      () => response.destroy(),
    );
  });
  const boundPort = await listen(server, port);
  return {
    ...ring,
    provider: spec.provider,
    origin: `http://127.0.0.1:${boundPort}`,
    requests,
    get consent() {
      if (consent === undefined) throw new Error(`${spec.provider} has no one click`);
      return consent;
    },
    get models() {
      return state.models;
    },
    setModels(models) {
      state.models = models;
    },
    setFault(fault, scope = "all") {
      state.fault = fault;
      state.scope = scope;
    },
    setLatency(ms) {
      state.latencyMs = ms;
    },
    goDown: () => shut(server),
    async comeBack() {
      await listen(server, boundPort);
    },
    close: () => shut(server),
  };
}

interface SimulatorState {
  models: readonly string[];
  fault: Fault | undefined;
  scope: FaultScope;
  latencyMs: number;
}

interface Exchange {
  readonly spec: ProviderSpec;
  readonly ring: KeyRing;
  readonly state: SimulatorState;
  readonly consent: Consent | undefined;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function serve(exchange: Exchange): Promise<LoggedRequest> {
  const { ring, state, request, response } = exchange;
  const url = new URL(request.url ?? "/", `http://${request.headers.host ?? "127.0.0.1"}`);
  const presented = bearerOf(request);
  const key = presented === undefined ? undefined : ring.find(presented);
  const entry = {
    method: request.method ?? "",
    path: url.pathname,
    ...(key === undefined ? {} : { key: key.id }),
  };
  const body = await readBody(request);
  if (state.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, state.latencyMs));
  const isCall = request.method === "POST";
  const fault = state.scope === "all" || (state.scope === "call") === isCall ? state.fault : undefined;
  if (fault?.kind === "hang") return { ...entry, status: 0 };
  if (fault?.kind === "reset") {
    request.socket.resetAndDestroy();
    return { ...entry, status: 0 };
  }
  const faulty = fault === undefined ? undefined : answerOfFault(fault);
  if (faulty !== undefined) return { ...entry, status: send(response, faulty) };
  const open = exchange.consent?.answer({ method: entry.method, url, body });
  if (open === "cut") {
    request.socket.resetAndDestroy();
    return { ...entry, status: 0 };
  }
  if (open !== undefined) return { ...entry, status: send(response, open) };
  if (isCall) return { ...entry, ...call(exchange, { url, presented, key, body, fault }) };
  const answer = get(exchange, { url, presented, key, fault });
  if (fault?.kind === "slow_body") {
    const text = bodyText(answer);
    response.writeHead(answer.status, { ...answer.headers, "content-length": Buffer.byteLength(text) });
    response.write(text.slice(0, Math.ceil(text.length / 2)));
    return { ...entry, status: answer.status };
  }
  return { ...entry, status: send(response, answer) };
}

interface Asked {
  readonly url: URL;
  readonly presented: string | undefined;
  readonly key: SimKey | undefined;
  readonly fault: Fault | undefined;
}

function get({ spec, state }: Exchange, { url, presented, key, fault }: Asked): WireAnswer {
  const route = spec.gets[url.pathname];
  if (route === undefined) return json(404, { error: { message: "Not Found", code: 404 } });
  if (route.open !== true) {
    if (presented === undefined) return spec.missingKey.get;
    if (key === undefined) return spec.wrongKey(presented);
    const refused = key.seenByGet ? spec.conditions[conditionOf(key)]?.get?.(key) : undefined;
    if (refused !== undefined) return refused;
  }
  const models = faultyModels(fault) ?? state.models;
  return route.answer({ key: key?.seenByGet === false ? { ...key, condition: "live" } : key, url, models });
}

function call(
  { spec, state, response }: Exchange,
  { url, presented, key, body, fault }: Asked & { readonly body: string },
): { readonly status: number; readonly model?: string } {
  const answer = (wire: WireAnswer, model?: string) => ({
    status: send(response, wire),
    ...(model === undefined ? {} : { model }),
  });
  if (!spec.chatPaths.includes(url.pathname)) return answer(json(404, { error: { message: "Not Found", code: 404 } }));
  if (presented === undefined) return answer(spec.missingKey.call);
  if (key === undefined) return answer(spec.wrongKey(presented));
  const request = readChatRequest(parse(body));
  if (request === undefined) return answer(json(400, { error: { message: "Invalid request", code: 400 } }));
  const { model } = request;
  const refused = spec.conditions[conditionOf(key)]?.call?.(key);
  if (refused !== undefined) return answer(refused, model);
  if (!state.models.includes(model)) return answer(spec.unknownModel(model), model);
  const tokens = countTokens(request.messages, replyTo(request).words.length, key.script);
  key.spend.calls += 1;
  key.spend.inputTokens += tokens.input;
  key.spend.outputTokens += tokens.output + tokens.reasoning;
  key.spend.costTicks += costTicksOf(tokens);
  if (!request.stream) return answer(json(200, completionBody(spec, request, tokens)), model);
  streamCompletion(response, spec, request, tokens, fault?.kind === "cut_stream" ? fault.afterChunks : undefined);
  return { status: 200, model };
}

function send(response: ServerResponse, answer: WireAnswer): number {
  const text = bodyText(answer);
  response.writeHead(answer.status, { ...answer.headers, "content-length": Buffer.byteLength(text) });
  response.end(text);
  return answer.status;
}

function bearerOf(request: IncomingMessage): string | undefined {
  return /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];
}

/** The models that a fault puts in place of the right ones; undefined when it does nothing of the kind. */
function faultyModels(fault: Fault | undefined): string[] | undefined {
  if (fault?.kind === "huge_list") return manyModels(Math.ceil(fault.bytes / LONG_ID_CHARS), LONG_ID_CHARS);
  return fault?.kind === "many_models" ? manyModels(fault.count, SHORT_ID_CHARS) : undefined;
}

function manyModels(count: number, idChars: number): string[] {
  return Array.from({ length: count }, (_, index) => `author/${String(index).padStart(idChars - 7, "0")}`);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > REQUEST_MAX_BYTES) throw new Error("the request is too large");
    chunks.push(part);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A body that is no JSON is answered as an invalid request.
    return undefined;
  }
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

async function shut(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
