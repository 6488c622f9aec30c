import type { Message } from "@bufbuild/protobuf";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Status } from "../gen/google/rpc/status_pb.ts";
import type { Caller } from "../identity/roles.ts";
import { ActiveUnary } from "./active-call.ts";
import type { UnaryRpc } from "./rpc.ts";

/** A unary call that came through the Connect door. Its message was parsed by connect-node; its answer is a promise. */
export class ConnectCall extends ActiveUnary {
  readonly codec: "proto" | "json";
  readonly answer: Promise<Message>;
  readonly #request: Message;
  readonly #gone: AbortSignal;
  readonly #resolve: (response: Message) => void;
  readonly #reject: (error: ConnectError) => void;

  constructor(rpc: UnaryRpc, caller: Caller, request: Message, context: HandlerContext) {
    super(rpc, caller);
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
    this.#resolve(response);
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
