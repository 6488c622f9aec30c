import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Metadata, type ServerErrorResponse, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { refuse } from "../base/errors.ts";
import { type Status, StatusSchema } from "../gen/google/rpc/status_pb.ts";
import type { Caller } from "../identity/roles.ts";
import { ActiveUnary } from "./active-call.ts";
import type { UnaryRpc } from "./rpc.ts";
import { watchCopy } from "./watch-copy.ts";

/**
 * How one method's messages are read and written. `decode` may throw anything when the bytes do not parse. What `encode` returns is copied before control comes back
 * from the send, so one buffer may serve every call and may be wiped afterwards.
 */
export interface Codec {
  decode(bytes: Buffer): Message;
  encode(message: Message): Buffer;
  /** Called when the encoded bytes were handed over: the moment to wipe what is secret in the message and in a buffer of one's own. */
  sent?(message: Message): void;
}

/** A codec from the method's descriptors. */
export function generatedCodec(method: { readonly input: DescMessage; readonly output: DescMessage }): Codec {
  return {
    decode: (bytes) => fromBinary(method.input, bytes),
    encode: (message) => asBuffer(toBinary(method.output, message)),
  };
}

/** A unary call that came through grpc-js. Its messages cross grpc-js as bytes, so that nothing is parsed for a caller that may not call. */
export class GrpcCall extends ActiveUnary {
  readonly codec = "proto";
  readonly #call: ServerUnaryCall<Buffer, Buffer>;
  readonly #answer: sendUnaryData<Buffer>;
  readonly #messages: Codec;

  constructor(
    rpc: UnaryRpc,
    caller: Caller,
    messages: Codec,
    call: ServerUnaryCall<Buffer, Buffer>,
    answer: sendUnaryData<Buffer>,
  ) {
    super(rpc, caller);
    this.#messages = messages;
    this.#call = call;
    this.#answer = answer;
  }

  override readRequest(): Message {
    try {
      return this.#messages.decode(this.#call.request);
    } catch {
      throw malformedRequest(this.rpc.method);
    }
  }

  override succeed(response: Message): void {
    const bytes = this.#messages.encode(response);
    if (this.#messages.sent === undefined) {
      this.#answer(null, bytes);
      return;
    }
    const frame = watchCopy(bytes);
    this.#answer(null, bytes);
    this.#messages.sent(response);
    // grpc-js says "cancelled" when a call is over, however it ended: by then its frame was encrypted, or nobody waits for it any more.
    this.#call.once("cancelled", frame.wipe);
  }

  override fail(status: Status): void {
    this.#answer(grpcError(status));
  }

  override isGone(): boolean {
    return this.#call.cancelled;
  }

  protected override onGone(listener: () => void): void {
    this.#call.once("cancelled", listener);
  }
}

/** The refusal of bytes that are no message of the method's input type. It quotes nothing: what does not parse may hold a secret. */
export function malformedRequest(method: { readonly input: DescMessage }) {
  return refuse("FIELDS_INVALID", `The request does not parse as ${method.input.typeName}. Send that message.`);
}

/** A status as grpc-js sends it, with the details beside it (grpc-status-details-bin). */
export function grpcError(status: Status): ServerErrorResponse {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", asBuffer(toBinary(StatusSchema, status)));
  return { name: "Error", message: status.message, code: status.code, details: status.message, metadata };
}

/** The same bytes as a Buffer, not a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
