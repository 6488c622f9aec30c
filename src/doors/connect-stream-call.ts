import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Status } from "../gen/google/rpc/status_pb.ts";
import type { Caller } from "../identity/roles.ts";
import { ActiveStream } from "./active-call.ts";
import { isJson, toConnectError } from "./connect-call.ts";
import { HandOff } from "./hand-off.ts";
import type { StreamingRpc } from "./rpc.ts";

/** A server-streaming call that came through the Connect door. connect-node pulls its messages, each when the one before was written. */
export class ConnectStreamCall extends ActiveStream {
  readonly codec: "proto" | "json";
  readonly #request: Message;
  readonly #answers: HandOff<Message>;
  readonly #gone = new AbortController();

  constructor(rpc: StreamingRpc, caller: Caller, request: Message, context: HandlerContext) {
    super(rpc, caller);
    this.codec = isJson(context) ? "json" : "proto";
    this.#request = request;
    const leave = () => this.#gone.abort();
    this.#answers = new HandOff(leave);
    const leaveUnlessLate = () => {
      // The caller's deadline is kept by the dispatcher, which says so.
      const reason: unknown = context.signal.reason;
      if (!(reason instanceof ConnectError && reason.code === Code.DeadlineExceeded)) leave();
    };
    if (context.signal.aborted) leaveUnlessLate();
    context.signal.addEventListener("abort", leaveUnlessLate, { once: true });
  }

  /** What connect-node reads. */
  get answers(): AsyncIterable<Message> {
    return this.#answers;
  }

  override readRequest(): Message {
    return this.#request;
  }

  override send(message: Message): Promise<void> {
    const { signal } = this;
    const given = this.#answers.give(message);
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      void given.then(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  override finish(): void {
    this.#answers.end();
  }

  override fail(status: Status): void {
    this.#answers.end({ error: toConnectError(status) });
  }

  override isGone(): boolean {
    return this.#gone.signal.aborted;
  }

  protected override onGone(listener: () => void): void {
    this.#gone.signal.addEventListener("abort", listener, { once: true });
  }
}
