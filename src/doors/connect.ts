import { createServer as createHttp1Server, type IncomingMessage, type ServerResponse } from "node:http";
import {
  constants,
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import { TLSSocket } from "node:tls";
import {
  type ConnectRouter,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { refuse } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import type { Caller } from "../identity/roles.ts";
import { ConnectCall, isJson, toConnectError } from "./connect-call.ts";
import { addInfrastructureRoutes } from "./connect-infrastructure.ts";
import { replaceParseError } from "./connect-parse-error.ts";
import { ConnectStreamCall } from "./connect-stream-call.ts";
import type { Dispatcher } from "./dispatch.ts";
import type { Door } from "./grpc.ts";
import type { Codec } from "./grpc-call.ts";
import type { Infrastructure } from "./grpc-infrastructure.ts";
import { withOwnFrame } from "./own-frame.ts";
import type { Peer } from "./peer.ts";
import type { Rpc } from "./rpc.ts";
import { openTlsListener, peerKey, type TlsListenerOptions } from "./tls-listener.ts";
import { wipeableRequest, wipingTextDecoder } from "./wiped-request.ts";

const STREAMS_PER_CONNECTION_MAX = 256;
const HTTP1_IDLE_MAX_MS = 120_000;
const HTTP1_KEEP_ALIVE_MS = 60_000;

/** What the Connect door needs. */
export interface ConnectDoorOptions {
  readonly listener: Omit<TlsListenerOptions, "alpn" | "onConnection">;
  readonly rpcs: readonly Rpc[];
  readonly dispatcher: Dispatcher;
  readonly infrastructure: Infrastructure;
  /** Of the RPCs whose messages hold secrets, by full name. A codec that wipes what was sent also writes this door's answers; connect-node parses the requests. */
  readonly codecs?: Readonly<Record<string, Codec>>;
}

/** What the door itself knows about a request, beside what connect-node tells. */
export interface Arrival {
  readonly peer: Peer | undefined;
  /** Set once the call was let in. */
  caller: Caller | undefined;
  /** Whether the answer is ours: the call was let in and parsed, or refused by us. Otherwise it is connect-node's own refusal. */
  isOurs: boolean;
  /** The answer in an envelope, when the call encoded it itself. Wiped once it was sent. */
  frame: Buffer | undefined;
}

/** connect-node decodes JSON with the decoder that stands in these options, although their type does not name it. Unknown fields are ignored by default, too. */
const JSON_OPTIONS = { ignoreUnknownFields: true, textDecoder: wipingTextDecoder };

const arrivalKey = createContextKey<Arrival>({ peer: undefined, caller: undefined, isOurs: false, frame: undefined });

/** Opens the Connect door: Connect, gRPC and gRPC-Web through connect-node, over HTTP/2 and HTTP/1.1, behind a TLS listener of ours. */
export async function openConnectDoor(options: ConnectDoorOptions): Promise<Door> {
  const { dispatcher, rpcs, codecs = {} } = options;
  const byName = new Map(rpcs.map((rpc) => [rpc.name, rpc]));
  const router = createConnectRouter({
    readMaxBytes: LIMITS.requestMaxBytes,
    acceptCompression: [compressionGzip],
    // Answers are not compressed: a secret beside text that a caller chose must not share a compressor with it.
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    requestGate: (context) => admit(byName, dispatcher, context),
    jsonOptions: JSON_OPTIONS,
  });
  for (const rpc of rpcs) addRoute(router, rpc, dispatcher, codecs[rpc.name]);
  addInfrastructureRoutes(router, dispatcher, options.infrastructure, (context) => context.values.get(arrivalKey).peer);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  const serve = (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => {
    const handler = handlers.get(request.url?.split("?", 1)[0] ?? "");
    if (handler === undefined) {
      request.resume();
      response.statusCode = 404;
      response.end();
      return;
    }
    // Streams may be silent for long; what ends their connections is the age limit. (Over HTTP/2 nothing is idle-timed.)
    if (handler.method.methodKind === "server_streaming" && request.httpVersionMajor === 1) {
      const { socket } = request;
      socket.setTimeout(0);
      response.once("close", () => socket.setTimeout(HTTP1_IDLE_MAX_MS));
    }
    const key = peerKey(request.socket);
    void answer(handler, request, response, key === undefined ? undefined : listener.peerOf(key), byName, codecs);
  };
  const sessions = new Set<ServerHttp2Session>();
  const http2Settings = { maxConcurrentStreams: STREAMS_PER_CONNECTION_MAX };
  const http2 = createHttp2Server({ settings: http2Settings }, (request, response) => {
    // Whoever is refused in the middle of an upload is told to stop it (RFC 9113 §8.1); unread, it would take up the connection's window for good.
    const { stream } = response;
    stream.once("wantTrailers", () => {
      // The trailers go out in this turn of the event loop, and must go first.
      setImmediate(() => {
        if (!request.complete) stream.close(constants.NGHTTP2_NO_ERROR);
      });
    });
    serve(request, response);
  });
  http2.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => session.destroy());
  });
  // Node lets go of idle HTTP/1.1 connections only on servers that listen themselves, so which ones are idle is known here.
  const idle = new Set<TLSSocket>();
  let isStopping = false;
  const http1 = createHttp1Server({ keepAliveTimeout: HTTP1_KEEP_ALIVE_MS }, (request, response) => {
    const socket = request.socket;
    if (!(socket instanceof TLSSocket)) return;
    idle.delete(socket);
    if (isStopping) response.setHeader("connection", "close");
    response.once("close", () => {
      if (isStopping) socket.end();
      else if (!socket.destroyed) idle.add(socket);
    });
    serve(request, response);
  });
  http1.timeout = HTTP1_IDLE_MAX_MS;
  const onHttp1 = (socket: TLSSocket) => {
    idle.add(socket);
    socket.once("close", () => idle.delete(socket));
    http1.emit("connection", socket);
  };
  const listener = await openTlsListener({
    ...options.listener,
    alpn: ["h2", "http/1.1"],
    onConnection: (socket) => {
      if (socket.alpnProtocol === "h2") http2.emit("connection", socket);
      else onHttp1(socket);
    },
  });
  return {
    port: listener.port,
    stopAccepting() {
      isStopping = true;
      listener.stopAccepting();
      for (const session of sessions) session.close();
      for (const socket of idle) socket.end();
    },
    whenEmpty: () => listener.whenEmpty(),
    endConnectionsOf: (spiffeId) => listener.endConnectionsOf(spiffeId),
    reload: () => listener.reload(),
    close: () => listener.close(),
  };
}

function admit(byName: ReadonlyMap<string, Rpc>, dispatcher: Dispatcher, context: HandlerContext): void {
  const rpc = byName.get(`${context.service.typeName}/${context.method.name}`);
  // The doors' own services check for themselves: they answer while the process drains.
  if (rpc === undefined) return;
  const arrival = context.values.get(arrivalKey);
  try {
    arrival.caller = dispatcher.admit(rpc, arrival.peer);
    // When JSON does not parse, connect-node quotes it; only for the Connect protocol's own JSON is that mended.
    if (isJson(context) && context.protocolName !== "connect")
      throw refuse(
        "FIELDS_INVALID",
        "JSON is spoken in the Connect protocol only. Send application/json or binary Protobuf.",
      );
  } catch (thrown) {
    arrival.isOurs = true;
    throw toConnectError(dispatcher.refused(rpc.name, thrown, 0));
  }
}

function addRoute(router: ConnectRouter, rpc: Rpc, dispatcher: Dispatcher, messages: Codec | undefined): void {
  const enter = (context: HandlerContext): Caller => {
    const arrival = context.values.get(arrivalKey);
    arrival.isOurs = true;
    if (arrival.caller === undefined) throw new Error("a call passed the gate without a caller");
    return arrival.caller;
  };
  if (rpc.kind === "unary") {
    router.rpc(rpc.method, (request, context) => {
      const own = messages === undefined ? undefined : { messages, arrival: context.values.get(arrivalKey) };
      const call = new ConnectCall(rpc, enter(context), request, context, own);
      dispatcher.run(call, context.timeoutMs());
      return call.answer;
    });
  } else {
    router.rpc(rpc.method, (request, context) => {
      const call = new ConnectStreamCall(rpc, enter(context), request, context);
      dispatcher.runStream(call, context.timeoutMs());
      return call.answers;
    });
  }
}

async function answer(
  handler: UniversalHandler,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  peer: Peer | undefined,
  byName: ReadonlyMap<string, Rpc>,
  codecs: Readonly<Record<string, Codec>>,
): Promise<void> {
  const arrival: Arrival = { peer, caller: undefined, isOurs: false, frame: undefined };
  try {
    const rpc = byName.get(`${handler.service.typeName}/${handler.method.name}`);
    const values = createContextValues().set(arrivalKey, arrival);
    const arrived = universalRequestFromNodeRequest(request, response, undefined, values);
    const universal = await (rpc !== undefined && rpc.name in codecs
      ? handleAndWipe(handler, arrived, arrival)
      : handler(arrived));
    if (universal.body === undefined) request.resume();
    const told = rpc === undefined ? universal : await replaceParseError(universal, arrival, rpc.method);
    await universalResponseToNodeResponse(told, response);
  } catch {
    // The other end is gone, or never was a well-formed request: there is nobody to tell.
    response.destroy();
  }
}

/** Has a call handled whose messages hold secrets: the request is overwritten when it was answered, an answer of our own when it was sent. */
async function handleAndWipe(
  handler: UniversalHandler,
  arrived: UniversalServerRequest,
  arrival: Arrival,
): Promise<UniversalServerResponse> {
  const { request, wipe } = wipeableRequest(arrived);
  try {
    const universal = await handler(request);
    const { frame } = arrival;
    if (frame === undefined) return universal;
    // The signal aborts when the exchange is over, however it ended.
    if (request.signal.aborted) frame.fill(0);
    else request.signal.addEventListener("abort", () => frame.fill(0), { once: true });
    return withOwnFrame(universal, frame);
  } finally {
    wipe();
  }
}
