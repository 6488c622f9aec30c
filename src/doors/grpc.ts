import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { LIMITS } from "../base/limits.ts";
import type { Dispatcher } from "./dispatch.ts";
import { type Codec, GrpcCall, generatedCodec, grpcError } from "./grpc-call.ts";
import { addInfrastructure, type Infrastructure } from "./grpc-infrastructure.ts";
import { GrpcStreamCall } from "./grpc-stream-call.ts";
import type { Rpc, StreamingRpc, UnaryRpc } from "./rpc.ts";
import { openTlsListener, type TlsListenerOptions } from "./tls-listener.ts";

const STREAMS_PER_CONNECTION_MAX = 1_024;
const KEEPALIVE_EVERY_MS = 60_000;
const KEEPALIVE_ANSWER_MAX_MS = 20_000;
const CONNECTION_AGE_GRACE_MS = 30_000;
/** grpc-js varies the age by a tenth either way, so that clients do not all come again at once. */
const CONNECTION_AGE_MAX_MS = 3_240_000;

/** What the gRPC door needs. */
export interface GrpcDoorOptions {
  readonly listener: Omit<TlsListenerOptions, "alpn" | "onConnection">;
  readonly rpcs: readonly Rpc[];
  readonly dispatcher: Dispatcher;
  readonly infrastructure: Infrastructure;
  /** Faster ways to read and write a method's messages than the generated ones, by the RPC's full name. They must accept and produce the same bytes. */
  readonly codecs?: Readonly<Record<string, Codec>>;
}

/** A door that is open. */
export interface Door {
  readonly port: number;
  /** Accepts no new connections and asks those that are open to end; in-flight calls go on. */
  stopAccepting(): void;
  /** Resolves when no connection is open. */
  whenEmpty(): Promise<void>;
  /** Ends every connection of an identity. */
  endConnectionsOf(spiffeId: string): void;
  /** Reads the TLS files again; false when the last good ones serve on. */
  reload(): Promise<boolean>;
  /** Ends everything now. */
  close(): Promise<void>;
}

/** Opens the gRPC door: grpc-js behind a TLS listener of ours. */
export async function openGrpcDoor(options: GrpcDoorOptions): Promise<Door> {
  const { dispatcher } = options;
  const server = new Server({
    "grpc.max_receive_message_length": LIMITS.requestMaxBytes,
    "grpc.max_concurrent_streams": STREAMS_PER_CONNECTION_MAX,
    "grpc.keepalive_time_ms": KEEPALIVE_EVERY_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_ANSWER_MAX_MS,
    "grpc.max_connection_age_ms": CONNECTION_AGE_MAX_MS,
    "grpc.max_connection_age_grace_ms": CONNECTION_AGE_GRACE_MS,
    "grpc.enable_channelz": 0,
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = await openTlsListener({
    ...options.listener,
    alpn: ["h2"],
    onConnection: (socket) => injector.injectConnection(socket),
  });

  function serve(
    rpc: UnaryRpc,
    messages: Codec,
    call: ServerUnaryCall<Buffer, Buffer>,
    answer: sendUnaryData<Buffer>,
  ): void {
    try {
      const caller = dispatcher.admit(rpc, listener.peerOf(call.getPeer()));
      dispatcher.run(new GrpcCall(rpc, caller, messages, call, answer));
    } catch (thrown) {
      answer(grpcError(dispatcher.refused(rpc.name, thrown, 0)));
    }
  }
  function serveStream(rpc: StreamingRpc, messages: Codec, call: ServerWritableStream<Buffer, Buffer>): void {
    try {
      const caller = dispatcher.admit(rpc, listener.peerOf(call.getPeer()));
      // grpc-js keeps the caller's deadline itself: it cancels the call.
      dispatcher.runStream(new GrpcStreamCall(rpc, caller, messages, call));
    } catch (thrown) {
      call.emit("error", grpcError(dispatcher.refused(rpc.name, thrown, 0)));
    }
  }
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const rpc of options.rpcs) {
    const messages = options.codecs?.[rpc.name] ?? generatedCodec(rpc.method);
    const responseStream = rpc.kind === "streaming";
    definition[rpc.name] = { path: `/${rpc.name}`, requestStream: false, responseStream, ...AS_BYTES };
    implementation[rpc.name] =
      rpc.kind === "streaming"
        ? (call: ServerWritableStream<Buffer, Buffer>) => serveStream(rpc, messages, call)
        : (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => serve(rpc, messages, call, answer);
  }
  server.addService(definition, implementation);
  addInfrastructure(server, (key) => listener.peerOf(key), dispatcher, options.infrastructure);

  return {
    port: listener.port,
    stopAccepting() {
      listener.stopAccepting();
      // A day is for ever here: what ends the calls is the dispatcher's own grace.
      injector.drain(86_400_000);
    },
    whenEmpty: () => listener.whenEmpty(),
    endConnectionsOf: (spiffeId) => listener.endConnectionsOf(spiffeId),
    reload: () => listener.reload(),
    async close() {
      injector.destroy();
      server.forceShutdown();
      await listener.close();
    },
  };
}

/** Messages cross grpc-js as bytes; they are read and written by the call itself. */
const AS_BYTES = {
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
};
