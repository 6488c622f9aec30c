import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type ClientReadableStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import { systemClock } from "../../base/clock.ts";
import { type HostError, hostClosed } from "../host-error.ts";
import type { Material } from "./material.ts";
import { type Endpoint, openClient } from "./open-client.ts";
import { toHostError } from "./service-error.ts";

/** How long a call may take, and what ends it early. */
export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer, and when the service gave it by its own clock. */
export interface Answer<T> {
  readonly message: T;
  /** From the answer's Date header, whole seconds, in milliseconds since the Unix epoch; undefined when there is none. */
  readonly servedMs: number | undefined;
}

/** A stream of answers. */
export interface AnswerStream<T> {
  readonly messages: AsyncIterable<T>;
  cancel(): void;
}

/** The connection to the service. It outlives its certificates. */
export interface Link {
  /** One try of one call. Rejects with a HostError. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions,
  ): Promise<Answer<MessageShape<O>>>;
  /** Opens a stream; iterating it throws a HostError when it breaks. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
  ): AnswerStream<MessageShape<O>>;
  /** New calls go over a connection with this material from now on; those in flight end on the one that they began on. */
  renew(material: Material): void;
  /** Calls `listener` after every renewal, for streams to move. */
  onRenewed(listener: () => void): void;
  /** Ends everything now: calls in flight fail. */
  close(): void;
}

/** A connection and what is under way on it. */
interface Line {
  readonly client: ReturnType<typeof openClient>;
  readonly underWay: Set<{ cancel(): void }>;
  isFormer: boolean;
}

/** Opens the connection; nothing is sent before the first call. */
export function openLink(endpoint: Endpoint, material: Material): Link {
  let line = openLine(endpoint, material);
  const lines = new Set<Line>([line]);
  const listeners: (() => void)[] = [];
  let isClosed = false;

  function end(ended: Line): void {
    lines.delete(ended);
    ended.client.close();
  }
  function finished(on: Line, call: { cancel(): void }): void {
    on.underWay.delete(call);
    if (on.isFormer && on.underWay.size === 0) end(on);
  }

  return {
    call(method, request, { timeoutMs, signal }) {
      if (isClosed) return Promise.reject(hostClosed());
      const on = line;
      return new Promise((resolve, reject) => {
        let servedMs: number | undefined;
        const call = on.client.makeUnaryRequest(
          pathOf(method),
          (message: Uint8Array) => Buffer.from(message.buffer, message.byteOffset, message.byteLength),
          (bytes: Buffer) => fromBinary(method.output, bytes),
          toBinary(method.input, create(method.input, request)),
          new Metadata(),
          // grpc-js compares it with the machine's own clock.
          { deadline: systemClock.nowMs() + timeoutMs },
          (error, message) => {
            signal?.removeEventListener("abort", cancel);
            finished(on, call);
            if (error !== null) reject(isClosed ? hostClosed() : toHostError(error));
            // grpc-js calls back with a message whenever there is no error.
            else if (message !== undefined) resolve({ message, servedMs });
          },
        );
        on.underWay.add(call);
        const cancel = (): void => call.cancel();
        call.once("metadata", (head: Metadata) => {
          servedMs = readDate(head);
        });
        if (signal?.aborted === true) cancel();
        else signal?.addEventListener("abort", cancel, { once: true });
      });
    },
    stream(method, request) {
      const on = line;
      const call = on.client.makeServerStreamRequest(
        pathOf(method),
        (message: Uint8Array) => Buffer.from(message.buffer, message.byteOffset, message.byteLength),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        toBinary(method.input, create(method.input, request)),
        new Metadata(),
      );
      on.underWay.add(call);
      call.once("close", () => finished(on, call));
      return { messages: messagesOf(call), cancel: () => call.cancel() };
    },
    renew(material) {
      if (isClosed) return;
      const former = line;
      line = openLine(endpoint, material);
      lines.add(line);
      former.isFormer = true;
      if (former.underWay.size === 0) end(former);
      for (const listener of listeners) listener();
    },
    onRenewed(listener) {
      listeners.push(listener);
    },
    close() {
      isClosed = true;
      for (const each of lines) {
        for (const call of each.underWay) call.cancel();
        end(each);
      }
    },
  };
}

function openLine(endpoint: Endpoint, material: Material): Line {
  return { client: openClient(endpoint, material), underWay: new Set(), isFormer: false };
}

async function* messagesOf<T>(call: ClientReadableStream<T>): AsyncGenerator<T, void, undefined> {
  try {
    for await (const message of call) yield message as T;
  } catch (error) {
    throw isServiceError(error) ? toHostError(error) : (error as HostError);
  } finally {
    call.cancel();
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error;
}

function pathOf(method: { readonly parent: { readonly typeName: string }; readonly name: string }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function readDate(head: Metadata): number | undefined {
  const [text] = head.get("date");
  const ms = typeof text === "string" ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
