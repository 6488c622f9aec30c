import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { Server, ServerDuplexStream, ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import {
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  type HealthCheckRequest,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  type HealthListRequest,
  HealthListRequestSchema,
  type HealthListResponse,
  HealthListResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/health/v1/health_pb.ts";
import type { Dispatcher } from "./dispatch.ts";
import { asBuffer, grpcError } from "./grpc-call.ts";
import type { Health } from "./health.ts";
import type { Peer } from "./peer.ts";
import type { Reflection } from "./reflection.ts";
import type { StreamSet } from "./stream-set.ts";

/** The doors' own services: health always, reflection unless it is switched off. */
export interface Infrastructure {
  readonly health: Health;
  readonly reflection: Reflection | undefined;
  /** The streams that are open, on whichever door. */
  readonly streams: StreamSet;
}

const HEALTH = "grpc.health.v1.Health";

/** Adds grpc.health.v1 and server reflection (v1, and v1alpha, which has the same bytes) to a grpc-js server. Every valid identity may call them. */
export function addInfrastructure(
  server: Server,
  peerOf: (key: string) => Peer | undefined,
  dispatcher: Dispatcher,
  { health, reflection, streams }: Infrastructure,
): void {
  server.addService(
    {
      check: {
        path: `/${HEALTH}/Check`,
        requestStream: false,
        responseStream: false,
        ...serialisation(HealthCheckRequestSchema, HealthCheckResponseSchema),
      },
      list: {
        path: `/${HEALTH}/List`,
        requestStream: false,
        responseStream: false,
        ...serialisation(HealthListRequestSchema, HealthListResponseSchema),
      },
      watch: {
        path: `/${HEALTH}/Watch`,
        requestStream: false,
        responseStream: true,
        ...serialisation(HealthCheckRequestSchema, HealthCheckResponseSchema),
      },
    },
    {
      check: unary(`${HEALTH}/Check`, (request: HealthCheckRequest): HealthCheckResponse => {
        const status = health.status(request.service);
        if (status === ServingStatus.SERVICE_UNKNOWN) throw new UnknownService();
        return create(HealthCheckResponseSchema, { status });
      }),
      list: unary(
        `${HEALTH}/List`,
        (_request: HealthListRequest): HealthListResponse =>
          create(HealthListResponseSchema, { statuses: health.list() }),
      ),
      watch: (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>) => {
        void stream(`${HEALTH}/Watch`, call, async (signal) => {
          for await (const status of health.watch(call.request.service, signal))
            await write(call, create(HealthCheckResponseSchema, { status }), signal);
        });
      },
    },
  );
  if (reflection === undefined) return;
  for (const version of ["v1", "v1alpha"]) {
    const rpc = `grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    server.addService(
      {
        info: {
          path: `/${rpc}`,
          requestStream: true,
          responseStream: true,
          ...serialisation(ServerReflectionRequestSchema, ServerReflectionResponseSchema),
        },
      },
      {
        info: (call: ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>) => {
          void stream(rpc, call, async (signal) => {
            // An iterator that destroys the stream when the loop ends would take the answer with it.
            const requests: AsyncIterable<ServerReflectionRequest> = call.iterator({ destroyOnReturn: false });
            for await (const request of requests) {
              const messageResponse = reflection.answer(request.messageRequest);
              const answer = { validHost: request.host, originalRequest: request, messageResponse };
              await write(call, create(ServerReflectionResponseSchema, answer), signal);
              if (signal.aborted) return;
            }
          });
        },
      },
    );
  }

  function unary<I, O>(rpc: string, answer: (request: I) => O) {
    return (call: ServerUnaryCall<I, O>, callback: sendUnaryData<O>): void => {
      try {
        dispatcher.identify(rpc, peerOf(call.getPeer()));
        callback(null, answer(call.request));
        dispatcher.finished(rpc, 0);
      } catch (thrown) {
        callback(toError(rpc, thrown));
      }
    };
  }

  async function stream(rpc: string, call: Streaming, body: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const open = streams.open();
    const end = () => open.end();
    call.once("cancelled", end);
    call.once("close", end);
    // Ending the stream ends what it waits for, too.
    const finish = () => call.end();
    open.signal.addEventListener("abort", finish, { once: true });
    try {
      dispatcher.identify(rpc, peerOf(call.getPeer()));
      streams.check();
      await body(open.signal);
      dispatcher.finished(rpc, 0);
      call.end();
    } catch (thrown) {
      if (!open.signal.aborted) call.emit("error", toError(rpc, thrown));
    } finally {
      open.signal.removeEventListener("abort", finish);
      open.end();
    }
  }

  function toError(rpc: string, thrown: unknown) {
    if (thrown instanceof UnknownService)
      return { name: "Error", message: thrown.message, code: 5, details: thrown.message };
    return grpcError(dispatcher.refused(rpc, thrown, 0));
  }
}

interface Streaming extends NodeJS.EventEmitter {
  getPeer(): string;
  end(): void;
}

/** grpc.health.v1 answers a Check for a name that is not served with NOT_FOUND and no details. */
class UnknownService extends Error {
  override readonly message = "unknown service";
}

function serialisation<I extends DescMessage, O extends DescMessage>(input: I, output: O) {
  return {
    requestSerialize: (message: MessageShape<I>) => asBuffer(toBinary(input, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(input, bytes),
    responseSerialize: (message: MessageShape<O>) => asBuffer(toBinary(output, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(output, bytes),
  };
}

/** Resolves when there is room for more, or when the stream ends: a client that asks and never reads waits for itself. */
function write<O>(
  call: { write(message: O): boolean; once(event: string, listener: () => void): unknown },
  message: O,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted || call.write(message)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
  });
}
