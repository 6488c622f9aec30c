import { create, type Message } from "@bufbuild/protobuf";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Status } from "../gen/google/rpc/status_pb.ts";
import type { Caller } from "../identity/roles.ts";
import { ActiveUnary } from "./active-call.ts";
import type { Codec } from "./grpc-call.ts";
import { frameOf } from "./own-frame.ts";
import type { UnaryRpc } from "./rpc.ts";

/** How a call encodes its answer itself, and where it leaves it. */
export interface OwnAnswer {
  readonly messages: Codec;
  readonly arrival: { frame: Buffer | undefined };
}

/** A unary call that came through the Connect door. Its message was parsed by connect-node; its answer is a promise. */
export class ConnectCall extends ActiveUnary {
  readonly codec: "proto" | "json";
  readonly answer: Promise<Message>;
  readonly #request: Message;
  readonly #gone: AbortSignal;
  readonly #own: OwnAnswer | undefined;
  readonly #resolve: (response: Message) => void;
  readonly #reject: (error: ConnectError) => void;

  constructor(rpc: UnaryRpc, caller: Caller, request: Message, context: HandlerContext, own?: OwnAnswer) {
    super(rpc, caller);
    this.#own = own;
    this.codec = isJson(context) ? "json" : "proto";
    this.#request = request;
    this.#gone = context.signal;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  override readRequest(): Message {
    return this.#request;
  }

  override succeed(response: Message): void {
    const { messages, arrival } = this.#own ?? {};
    if (messages?.sent === undefined || arrival === undefined || this.codec === "json") {
      this.#resolve(response);
      return;
    }
    arrival.frame = frameOf(messages.encode(response));
    messages.sent(response);
    // connect-node gets an empty message to encode; the door sends the frame in its place.
    this.#resolve(create(this.rpc.method.output));
  }

  override fail(status: Status): void {
    this.#reject(toConnectError(status));
  }

  override isGone(): boolean {
    return this.#gone.aborted;
  }

  protected override onGone(listener: () => void): void {
    this.#gone.addEventListener("abort", listener, { once: true });
  }
}

/** Whether messages of this call travel as JSON. */
export function isJson(context: HandlerContext): boolean {
  const type = context.requestHeader.get("content-type") ?? "";
  return /^application\/(.+\+)?json\b/i.test(type);
}

/** A status as connect-node sends it: the same message and the same detail bytes as on the gRPC door. */
export function toConnectError(status: Status): ConnectError {
  const error = new ConnectError(status.message, status.code);
  error.details = status.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return error;
}
