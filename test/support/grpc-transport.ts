import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";

/**
 * Typed clients over @grpc/grpc-js, the client that agent hosts use: connect-node's own gRPC client loses answers ("Premature close") when a server
 * flushes several at once. Unary calls and streams of answers. Errors come out as ConnectError, details included.
 */
export function createGrpcJsTransport(
  port: number,
  pem: { readonly ca: string; readonly cert: string; readonly key: string },
): Transport {
  const client = new Client(
    `localhost:${port}`,
    credentials.createSsl(Buffer.from(pem.ca), Buffer.from(pem.key), Buffer.from(pem.cert)),
  );
  return {
    unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: ConstructorParameters<typeof Headers>[0],
      input: MessageInitShape<I>,
    ): Promise<UnaryResponse<I, O>> {
      return new Promise((resolve, reject) => {
        const trailer = new Headers();
        const call = client.makeUnaryRequest(
          `/${method.parent.typeName}/${method.name}`,
          (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
          (bytes: Buffer) => fromBinary(method.output, bytes),
          create(method.input, input),
          toMetadata(header),
          timeoutMs === undefined || timeoutMs === 0 ? {} : { deadline: Date.now() + timeoutMs },
          (error, message) => {
            if (error !== null) reject(toConnectError(error));
            else if (message === undefined) reject(new ConnectError("no message", Code.Internal));
            else resolve({ stream: false, service: method.parent, method, header: new Headers(), trailer, message });
          },
        );
        signal?.addEventListener("abort", () => call.cancel(), { once: true });
      });
    },
    async stream<I extends DescMessage, O extends DescMessage>(
      method: DescMethodStreaming<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: ConstructorParameters<typeof Headers>[0],
      input: AsyncIterable<MessageInitShape<I>>,
    ): Promise<StreamResponse<I, O>> {
      if (method.methodKind !== "server_streaming")
        throw new ConnectError("this transport streams answers only", Code.Unimplemented);
      const request: IteratorResult<MessageInitShape<I>> = await input[Symbol.asyncIterator]().next();
      const call = client.makeServerStreamRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        create(method.input, request.value),
        toMetadata(header),
        timeoutMs === undefined || timeoutMs === 0 ? {} : { deadline: Date.now() + timeoutMs },
      );
      signal?.addEventListener("abort", () => call.cancel(), { once: true });
      async function* messages(): AsyncGenerator<MessageShape<O>, void, undefined> {
        try {
          for await (const message of call) yield message as MessageShape<O>;
        } catch (error) {
          throw toConnectError(error as ServiceError);
        } finally {
          call.cancel();
        }
      }
      return {
        stream: true,
        service: method.parent,
        method,
        header: new Headers(),
        trailer: new Headers(),
        message: messages(),
      };
    },
  };
}

function toMetadata(header: ConstructorParameters<typeof Headers>[0]): Metadata {
  const metadata = new Metadata();
  new Headers(header).forEach((value, name) => {
    metadata.set(name, value);
  });
  return metadata;
}

function toConnectError(error: ServiceError): ConnectError {
  const thrown = new ConnectError(error.details, error.code as number as Code);
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  if (bytes instanceof Buffer) {
    const { details } = fromBinary(StatusSchema, bytes);
    thrown.details = details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value,
    }));
  }
  return thrown;
}
