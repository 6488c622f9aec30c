import type { UniversalServerResponse } from "@connectrpc/connect/protocol";

/** One byte of flags and four of length go before each message in gRPC and gRPC-Web. */
const ENVELOPE_HEAD_BYTES = 5;

/** An envelope with a copy of the message in a buffer of its own, which can be wiped when it has been sent. */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafeSlow(ENVELOPE_HEAD_BYTES + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, ENVELOPE_HEAD_BYTES);
  return frame;
}

/**
 * Puts a frame of ours in the place of the empty message that connect-node was given to encode: connect-node encodes into buffers that nobody can
 * wipe, twice over. What is no good answer is left as it is.
 */
export function withOwnFrame(response: UniversalServerResponse, frame: Buffer): UniversalServerResponse {
  const { body, status } = response;
  if (body === undefined || status !== 200) return response;
  const header = new Headers(response.header);
  if (header.get("content-type")?.startsWith("application/grpc") === true) {
    return { ...response, body: firstReplaced(body, frame) };
  }
  const message = frame.subarray(ENVELOPE_HEAD_BYTES);
  header.set("content-length", String(message.length));
  return { ...response, header, body: firstReplaced(body, message) };
}

async function* firstReplaced(
  body: AsyncIterable<Uint8Array>,
  bytes: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  let isFirst = true;
  for await (const chunk of body) {
    yield isFirst ? bytes : chunk;
    isFirst = false;
  }
}
