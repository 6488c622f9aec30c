import type { Message } from "@bufbuild/protobuf";
import { type PloriError, refuse } from "../base/errors.ts";
import type { Status } from "../gen/google/rpc/status_pb.ts";
import type { Caller } from "../identity/roles.ts";
import type { Call } from "./call.ts";
import type { Rpc, StreamingRpc, UnaryRpc } from "./rpc.ts";

/**
 * One call under way. Each door derives its own: how the request is read and the answer sent. This is the hot path, so a call is one object, and its
 * AbortSignal is made only for handlers that ask for it (most answer from memory).
 */
export abstract class ActiveCall implements Call {
  abstract readonly rpc: Rpc;
  readonly caller: Caller;
  abstract readonly codec: "proto" | "json";
  /** When it began and when it must have ended, by the monotonic clock. Set by the dispatcher. */
  startedMs = 0;
  deadlineMs = 0;
  /** Set for a deadline of the caller's own. */
  timer: NodeJS.Timeout | undefined;
  /** Whether its answer was given. Whatever its handler says afterwards is dropped. */
  isOver = false;
  #controller: AbortController | undefined;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  /** The request. Throws PloriError FIELDS_INVALID when it does not parse. */
  abstract readRequest(): Message;
  /** Sends a refusal. */
  abstract fail(status: Status): void;
  /** Whether the caller went away or its own deadline passed. */
  abstract isGone(): boolean;
  /** Calls `listener` once, when the caller goes away. */
  protected abstract onGone(listener: () => void): void;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.isOver || this.isGone()) this.abort(callerWentAway());
      else this.onGone(() => this.abort(callerWentAway()));
    }
    return this.#controller.signal;
  }

  /** Tells a handler that listens to stop. The reason is what `signal.throwIfAborted()` throws. */
  abort(reason: PloriError): void {
    this.#controller?.abort(reason);
  }
}

/** A call with one answer. */
export abstract class ActiveUnary extends ActiveCall {
  readonly rpc: UnaryRpc;

  constructor(rpc: UnaryRpc, caller: Caller) {
    super(caller);
    this.rpc = rpc;
  }

  /** Sends the answer. Throws when it cannot be encoded. */
  abstract succeed(response: Message): void;
}

/** A call that is answered with a stream. */
export abstract class ActiveStream extends ActiveCall {
  readonly rpc: StreamingRpc;

  constructor(rpc: StreamingRpc, caller: Caller) {
    super(caller);
    this.rpc = rpc;
  }

  /** Sends one message. Resolves when there is room for another, or when `signal` aborts: a caller that asks and never reads waits for itself. */
  abstract send(message: Message): Promise<void>;
  /** Ends the stream: everything was said. */
  abstract finish(): void;
}

/** What a handler gets that went on although nobody waits for its answer. */
export function callerWentAway(): PloriError {
  return refuse("CANCELLED", "The caller went away.");
}
