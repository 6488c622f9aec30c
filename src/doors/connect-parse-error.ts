import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  endStreamFlag,
  endStreamFromJson,
  endStreamToJson,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { toConnectError } from "./connect-call.ts";
import { malformedRequest } from "./grpc-call.ts";
import { refusalToStatus } from "./status.ts";

/** Envelopes of the Connect protocol begin with one byte of flags and four of length (connectrpc.com/docs/protocol#streaming-rpcs). */
const ENVELOPE_HEAD_BYTES = 5;

interface Method {
  readonly input: DescMessage;
}

/**
 * Replaces connect-node's own words about a request that does not parse: they quote the request, in which a secret may stand, and call bad binary an
 * internal error. Says the same as the gRPC door instead. Its other refusals (too large, unknown compression) stay as they are.
 */
export async function replaceParseError(
  response: UniversalServerResponse,
  arrival: { readonly isOurs: boolean },
  method: DescMethod,
): Promise<UniversalServerResponse> {
  const { body, trailer } = response;
  if (arrival.isOurs || body === undefined) return response;
  if (trailer !== undefined) return { ...response, body: withTrailerReplaced(body, trailer, arrival, method) };
  if (method.methodKind !== "unary") return { ...response, body: withEndReplaced(body, arrival, method) };
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

/** The Connect protocol ends a stream with an envelope that holds its error. Whatever a call has sent that was let in and parsed is passed on as it comes. */
async function* withEndReplaced(
  body: AsyncIterable<Uint8Array>,
  arrival: { readonly isOurs: boolean },
  method: Method,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of body) {
    // A call that was never ours is answered by connect-node with its last envelope alone, in one chunk.
    const end = arrival.isOurs || chunk[0] !== endStreamFlag ? undefined : readEnd(chunk.subarray(ENVELOPE_HEAD_BYTES));
    if (end === undefined || !isAboutParsing(end.code)) yield chunk;
    else yield encodeEnvelope(endStreamFlag, jsonBytes(endStreamToJson(new Headers(), ourError(method), undefined)));
  }
}

/** The gRPC protocol writes its status into the trailer when the body has ended, and only then is it known whether the call was let in and parsed. */
async function* withTrailerReplaced(
  body: AsyncIterable<Uint8Array>,
  trailer: Headers,
  arrival: { readonly isOurs: boolean },
  method: Method,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* body;
  if (!arrival.isOurs && isAboutParsing(Number(trailer.get("grpc-status"))))
    setTrailerStatus(trailer, ourError(method));
}

function isAboutParsing(code: number): boolean {
  return code === Code.InvalidArgument || code === Code.Internal;
}

function ourError(method: Method): ConnectError {
  return toConnectError(refusalToStatus(malformedRequest(method).refusal));
}

function readEnd(json: Uint8Array): ConnectError | undefined {
  try {
    return endStreamFromJson(json).error;
  } catch {
    return undefined;
  }
}

function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value), "utf8");
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
