import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { ServerReflection as ReflectionV1 } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/health/v1/health_pb.ts";
import { toConnectError } from "./connect-call.ts";
import type { Dispatcher } from "./dispatch.ts";
import type { Infrastructure } from "./grpc-infrastructure.ts";
import type { Peer } from "./peer.ts";

/** Adds grpc.health.v1 and server reflection (v1 and v1alpha) to a Connect router. Every valid identity may call them. */
export function addInfrastructureRoutes(
  router: ConnectRouter,
  dispatcher: Dispatcher,
  { health, reflection, streams }: Infrastructure,
  peerOf: (context: HandlerContext) => Peer | undefined,
): void {
  router.service(HealthService, {
    check: (request, context) =>
      unary(context, () => {
        const status = health.status(request.service);
        // grpc.health.v1 answers a Check for a name that is not served with NOT_FOUND and no details.
        if (status === ServingStatus.SERVICE_UNKNOWN) throw new ConnectError("unknown service", Code.NotFound);
        return { status };
      }),
    list: (_request, context) => unary(context, () => ({ statuses: health.list() })),
    watch: (request, context) =>
      stream(context, async function* (signal) {
        for await (const status of health.watch(request.service, signal)) yield { status };
      }),
  });
  if (reflection === undefined) return;
  router.service(ReflectionV1, {
    serverReflectionInfo: (requests, context) =>
      stream(context, async function* () {
        for await (const request of requests) {
          const messageResponse = reflection.answer(request.messageRequest);
          yield { validHost: request.host, originalRequest: request, messageResponse };
        }
      }),
  });
  router.service(ReflectionV1Alpha, {
    serverReflectionInfo: (requests, context) =>
      stream(context, async function* () {
        for await (const request of requests) {
          const messageResponse = reflection.answer(request.messageRequest);
          yield { validHost: request.host, originalRequest: request, messageResponse };
        }
      }),
  });

  function unary<T>(context: HandlerContext, answer: () => T): T {
    const rpc = rpcName(context);
    try {
      dispatcher.identify(rpc, peerOf(context));
      const answered = answer();
      dispatcher.finished(rpc, 0);
      return answered;
    } catch (thrown) {
      throw toError(rpc, thrown);
    }
  }

  async function* stream<T>(
    context: HandlerContext,
    body: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
  ): AsyncGenerator<T, void, undefined> {
    const rpc = rpcName(context);
    const open = streams.open();
    const end = () => open.end();
    context.signal.addEventListener("abort", end, { once: true });
    try {
      dispatcher.identify(rpc, peerOf(context));
      streams.check();
      yield* until(open.signal, body(open.signal));
      dispatcher.finished(rpc, 0);
    } catch (thrown) {
      throw toError(rpc, thrown);
    } finally {
      context.signal.removeEventListener("abort", end);
      open.end();
    }
  }

  function toError(rpc: string, thrown: unknown): ConnectError {
    if (thrown instanceof ConnectError) return thrown;
    return toConnectError(dispatcher.refused(rpc, thrown, 0));
  }
}

/** What `items` yields until `signal` aborts: a client that holds its end of a stream open must not hold up the end of the process. */
async function* until<T>(
  signal: AbortSignal,
  items: AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  while (!signal.aborted) {
    const next = await Promise.race([items.next(), aborted]);
    if (next === undefined || next.done === true) return;
    yield next.value;
  }
}

function rpcName(context: HandlerContext): string {
  return `${context.service.typeName}/${context.method.name}`;
}
