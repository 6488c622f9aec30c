import type { UniversalServerRequest } from "@connectrpc/connect/protocol";

/** A request whose body can be overwritten once it was read. */
export interface WipeableRequest {
  readonly request: UniversalServerRequest;
  /** Overwrites what was read so far, in the memory into which it was received. */
  wipe(): void;
}

/** Remembers the pieces of a request's body as they are read: at most as many bytes as a request may have. */
export function wipeableRequest(request: UniversalServerRequest): WipeableRequest {
  const chunks: Uint8Array[] = [];
  const { body } = request;
  if (typeof body !== "object" || body === null || !(Symbol.asyncIterator in body)) return { request, wipe() {} };
  return {
    request: { ...request, body: remembered(body, chunks) },
    wipe: () => {
      for (const chunk of chunks.splice(0)) chunk.fill(0);
    },
  };
}

async function* remembered(
  body: AsyncIterable<Uint8Array>,
  chunks: Uint8Array[],
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of body) {
    chunks.push(chunk);
    yield chunk;
  }
}

const UTF8 = new TextDecoder();

/** Reads JSON's bytes as text and overwrites them: what is left is the text. */
export const wipingTextDecoder = {
  decode(bytes?: Uint8Array): string {
    const text = UTF8.decode(bytes);
    bytes?.fill(0);
    return text;
  },
};
