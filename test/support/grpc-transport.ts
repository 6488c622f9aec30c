import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";

/**
 * Typed clients over @grpc/grpc-js, the client that agent hosts use: connect-node's own gRPC client loses answers ("Premature close") when a server
 * flushes several at once. Unary only. Errors come out as ConnectError, details included.
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
        const metadata = new Metadata();
        new Headers(header).forEach((value, name) => {
          metadata.set(name, value);
        });
        const trailer = new Headers();
        const call = client.makeUnaryRequest(
          `/${method.parent.typeName}/${method.name}`,
          (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
          (bytes: Buffer) => fromBinary(method.output, bytes),
          create(method.input, input),
          metadata,
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
    stream() {
      throw new ConnectError("this transport has unary calls only", Code.Unimplemented);
    },
  };
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
