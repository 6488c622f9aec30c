import type { DescMethodUnary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { errorFromJsonBytes, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { toConnectError } from "./connect-call.ts";
import { malformedRequest } from "./grpc-call.ts";
import { refusalToStatus } from "./status.ts";

/**
 * Replaces connect-node's own words about a request that does not parse: they quote the request, in which a secret may stand, and call bad binary an
 * internal error. Says the same as the gRPC door instead. Its other refusals (too large, unknown compression) stay as they are.
 */
export async function replaceParseError(
  response: UniversalServerResponse,
  arrival: { readonly isOurs: boolean },
  method: DescMethodUnary,
): Promise<UniversalServerResponse> {
  const { body, trailer } = response;
  if (arrival.isOurs || body === undefined) return response;
  if (trailer !== undefined) return { ...response, body: withTrailerReplaced(body, trailer, arrival, method) };
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const said = response.status === 200 ? undefined : readError(bytes);
  if (said === undefined || !isAboutParsing(said.code)) return { ...response, body: oneChunk(bytes) };
  const replaced = errorToJsonBytes(ourError(method), undefined);
  const header = new Headers(response.header);
  header.set("content-length", String(replaced.length));
  return { ...response, status: 400, header, body: oneChunk(replaced) };
}

/** The gRPC protocol writes its status into the trailer when the body has ended, and only then is it known whether the call was let in and parsed. */
async function* withTrailerReplaced(
  body: AsyncIterable<Uint8Array>,
  trailer: Headers,
  arrival: { readonly isOurs: boolean },
  method: DescMethodUnary,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* body;
  if (!arrival.isOurs && isAboutParsing(Number(trailer.get("grpc-status"))))
    setTrailerStatus(trailer, ourError(method));
}

function isAboutParsing(code: number): boolean {
  return code === Code.InvalidArgument || code === Code.Internal;
}

function ourError(method: DescMethodUnary): ConnectError {
  return toConnectError(refusalToStatus(malformedRequest(method).refusal));
}

function readError(bytes: Uint8Array): ConnectError | undefined {
  try {
    return errorFromJsonBytes(bytes, undefined, new ConnectError("", Code.Unknown));
  } catch {
    return undefined;
  }
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
