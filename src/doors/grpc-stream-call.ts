import type { Message } from "@bufbuild/protobuf";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Status } from "../gen/google/rpc/status_pb.ts";
import type { Caller } from "../identity/roles.ts";
import { ActiveStream } from "./active-call.ts";
import { type Codec, grpcError, malformedRequest } from "./grpc-call.ts";
import type { StreamingRpc } from "./rpc.ts";

/** A server-streaming call that came through grpc-js. Messages cross it as bytes. */
export class GrpcStreamCall extends ActiveStream {
  readonly codec = "proto";
  readonly #call: ServerWritableStream<Buffer, Buffer>;
  readonly #messages: Codec;

  constructor(rpc: StreamingRpc, caller: Caller, messages: Codec, call: ServerWritableStream<Buffer, Buffer>) {
    super(rpc, caller);
    this.#messages = messages;
    this.#call = call;
  }

  override readRequest(): Message {
    try {
      return this.#messages.decode(this.#call.request);
    } catch {
      throw malformedRequest(this.rpc.method);
    }
  }

  override send(message: Message): Promise<void> {
    const { signal } = this;
    const call = this.#call;
    const hasRoom = call.write(this.#messages.encode(message));
    this.#messages.sent?.(message);
    if (hasRoom || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        call.off("drain", done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      call.once("drain", done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  override finish(): void {
    this.#call.end();
  }

  override fail(status: Status): void {
    // grpc-js's way to end a stream with a status: what was written before still goes out first.
    this.#call.emit("error", grpcError(status));
  }

  override isGone(): boolean {
    return this.#call.cancelled;
  }

  protected override onGone(listener: () => void): void {
    this.#call.once("cancelled", listener);
  }
}
