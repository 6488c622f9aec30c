import type { Clock } from "../base/clock.ts";
import { type Code, PloriError, REASONS, refuse } from "../base/errors.ts";
import { createIdMinter, type MintId } from "../base/ids.ts";
import { LIMITS } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Status } from "../gen/google/rpc/status_pb.ts";
import type { Caller } from "../identity/roles.ts";
import { authorise, type Identified, RPC_TABLE, type RpcTable } from "../identity/rpc-table.ts";
import type { ActiveCall, ActiveStream, ActiveUnary } from "./active-call.ts";
import type { Peer } from "./peer.ts";
import type { Rpc } from "./rpc.ts";
import { refusalToStatus, thrownToRefusal } from "./status.ts";

/** Learns of every finished call, for metrics. Must not throw. */
export interface CallObserver {
  called(rpc: string, code: Code | "OK", durationMs: number): void;
}

/** Learns of every call that the RPC table denied, for the audit. Must not throw. */
export type OnDenied = (caller: Identified, rpc: string) => void;

/** What the dispatcher needs. */
export interface DispatcherOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: CallObserver;
  readonly onDenied: OnDenied;
  readonly table?: RpcTable;
  /** More calls at a time are refused with OVERLOADED. */
  readonly callsInFlightMax?: number;
  readonly defaultDeadlineMs?: number;
  /** More streams at a time are refused with OVERLOADED, and more of one caller with RATE_LIMITED. */
  readonly streamsMax?: number;
  readonly streamsPerCallerMax?: number;
}

const CALLS_IN_FLIGHT_MAX = 10_000;
const STREAMS_MAX = 10_000;
const STREAMS_PER_CALLER_MAX = 256;
/** Node's longest timer. A caller that waits for longer has no deadline. */
const TIMER_MAX_MS = 2_147_483_647;

/** The one path that every call takes, whichever door it came through: identity, role, capacity, deadline, handler, error mapping, metrics. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #table: RpcTable;
  readonly #callsInFlightMax: number;
  readonly #deadlineMs: number;
  readonly #mintRequestId: MintId;
  /** In the order in which they began, which is the order of their deadlines, since all have the same: one timer serves them all. */
  readonly #calls = new Set<ActiveCall>();
  /** Streams whose handlers have not ended. They have no deadline of ours. */
  readonly #streams = new Set<ActiveStream>();
  readonly #streamsOf = new Map<string, number>();
  readonly #streamsMax: number;
  readonly #streamsPerCallerMax: number;
  #timer: NodeJS.Timeout | undefined;
  #isDraining = false;
  #whenIdle: (() => void) | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#table = options.table ?? RPC_TABLE;
    this.#callsInFlightMax = options.callsInFlightMax ?? CALLS_IN_FLIGHT_MAX;
    this.#streamsMax = options.streamsMax ?? STREAMS_MAX;
    this.#streamsPerCallerMax = options.streamsPerCallerMax ?? STREAMS_PER_CALLER_MAX;
    this.#deadlineMs = options.defaultDeadlineMs ?? LIMITS.defaultDeadlineMs;
    this.#mintRequestId = createIdMinter(options.clock);
  }

  get inFlight(): number {
    return this.#calls.size + this.#streams.size;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Lets the peer call this RPC of ours, or throws why not: IDENTITY_INVALID, ROLE_NOT_ALLOWED, DRAINING, OVERLOADED or RATE_LIMITED. */
  admit(rpc: Pick<Rpc, "name" | "kind">, peer: Peer | undefined): Caller {
    const identified = this.identify(rpc.name, peer);
    if (this.#isDraining) throw refuse("DRAINING", "This process is shutting down. Call again; another one answers.");
    const isFull =
      rpc.kind === "streaming" ? this.#streams.size >= this.#streamsMax : this.#calls.size >= this.#callsInFlightMax;
    if (isFull)
      throw refuse("OVERLOADED", "Too many calls are under way; nothing was done. Back off, then call again.");
    // The table lets identities without a role call the doors' own services only, and those are not admitted but identified.
    if (identified.kind !== "caller") throw identityInvalid("NO_ROLE");
    const { caller } = identified;
    if (rpc.kind === "streaming" && (this.#streamsOf.get(caller.spiffeId) ?? 0) >= this.#streamsPerCallerMax)
      throw refuse("RATE_LIMITED", "This identity has too many streams open. End some, then call again.");
    return caller;
  }

  /** Checks identity and role alone, for the doors' own services, which must answer while the process drains. Throws IDENTITY_INVALID or ROLE_NOT_ALLOWED. */
  identify(rpc: string, peer: Peer | undefined): Exclude<Peer, { readonly kind: "refused" | "blocked" }> {
    if (peer === undefined) throw identityInvalid("CONNECTION_CLOSED");
    if (peer.kind === "refused") throw identityInvalid(peer.why);
    if (peer.kind === "blocked") throw identityBlocked();
    // A connection is ended when its certificate ends, but not to the millisecond.
    if (peer.notAfterMs <= this.#options.clock.nowMs()) throw identityInvalid("EXPIRED");
    const identified = peer.kind === "caller" ? peer.caller : peer;
    try {
      authorise(identified, rpc, this.#table);
    } catch (denial) {
      this.#options.onDenied(identified, rpc);
      throw denial;
    }
    return peer;
  }

  /** Runs a call that was admitted and answers it exactly once. `callerDeadlineMs` is how long the caller waits; ours holds when it is shorter. */
  run(call: ActiveUnary, callerDeadlineMs = Number.POSITIVE_INFINITY): void {
    call.startedMs = this.#options.clock.monotonicMs();
    call.deadlineMs = call.startedMs + this.#deadlineMs;
    this.#calls.add(call);
    this.#timer ??= setTimeout(() => this.#endOverdue(), this.#deadlineMs).unref();
    if (callerDeadlineMs < this.#deadlineMs)
      call.timer = setTimeout(() => this.#endEarly(call, deadlineExceeded()), callerDeadlineMs).unref();
    void this.#perform(call);
  }

  /**
   * Runs a stream that was admitted until its handler ends, the caller leaves, the process drains, or `callerDeadlineMs` has passed. No deadline of ours
   * holds: a watch lasts as long as its watcher.
   */
  runStream(call: ActiveStream, callerDeadlineMs = Number.POSITIVE_INFINITY): void {
    call.startedMs = this.#options.clock.monotonicMs();
    this.#streams.add(call);
    const { spiffeId } = call.caller;
    this.#streamsOf.set(spiffeId, (this.#streamsOf.get(spiffeId) ?? 0) + 1);
    if (callerDeadlineMs <= TIMER_MAX_MS)
      call.timer = setTimeout(() => this.#endEarly(call, deadlineExceeded()), callerDeadlineMs).unref();
    void this.#pump(call).finally(() => this.#forget(call));
  }

  /** The status for something thrown; what is not a refusal of ours is logged under a request id and told as a fixed message. Counts the call. */
  refused(rpc: string, thrown: unknown, durationMs: number): Status {
    let requestId: string | undefined;
    const refusal = thrownToRefusal(thrown, () => {
      requestId = this.#mintRequestId();
      return requestId;
    });
    if (requestId !== undefined || refusal.reason === "INTERNAL" || refusal.reason === "RECORD_CORRUPT")
      this.#options.log.error("call failed", { requestId, rpc, err: thrown });
    this.#options.observer.called(rpc, REASONS[refusal.reason].code, durationMs);
    return refusalToStatus(refusal);
  }

  /** Counts a call of the doors' own services. */
  finished(rpc: string, durationMs: number): void {
    this.#options.observer.called(rpc, "OK", durationMs);
  }

  /**
   * Refuses new calls from now on; resolves when those in flight have ended. Streams are ended at once, calls after `graceMs`, both with DRAINING; a
   * stream's handler that has not ended by then is not waited for.
   */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    const streamsEnd = refuse(
      "DRAINING",
      "This process is shutting down. Ask again for what follows; another one answers.",
    );
    for (const call of this.#streams) this.#endEarly(call, streamsEnd);
    if (this.inFlight === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
    const timer = setTimeout(() => {
      const reason = refuse("DRAINING", "This process shut down before the answer was ready. Call again.");
      for (const call of this.#calls) this.#endEarly(call, reason);
      this.#whenIdle?.();
    }, graceMs);
    await idle;
    clearTimeout(timer);
  }

  async #perform(call: ActiveUnary): Promise<void> {
    try {
      const response = await call.rpc.handle(call.readRequest(), call);
      if (call.isOver) return;
      call.succeed(response);
      this.#end(call);
      const { observer, clock } = this.#options;
      observer.called(call.rpc.name, call.isGone() ? "CANCELLED" : "OK", clock.monotonicMs() - call.startedMs);
    } catch (thrown) {
      if (!call.isOver) this.#fail(call, thrown);
      else if (!(thrown instanceof PloriError))
        this.#options.log.error("call failed after its end", { rpc: call.rpc.name, err: thrown });
    }
  }

  async #pump(call: ActiveStream): Promise<void> {
    const { signal } = call;
    try {
      for await (const message of call.rpc.handle(call.readRequest(), call)) {
        if (signal.aborted) break;
        await call.send(message);
        if (signal.aborted) break;
      }
      if (call.isOver) return;
      signal.throwIfAborted();
      call.finish();
      this.#end(call);
      const { observer, clock } = this.#options;
      observer.called(call.rpc.name, "OK", clock.monotonicMs() - call.startedMs);
    } catch (thrown) {
      if (!call.isOver) this.#fail(call, thrown);
      else if (!(thrown instanceof PloriError))
        this.#options.log.error("stream failed after its end", { rpc: call.rpc.name, err: thrown });
    }
  }

  #forget(call: ActiveStream): void {
    this.#streams.delete(call);
    const { spiffeId } = call.caller;
    const left = (this.#streamsOf.get(spiffeId) ?? 1) - 1;
    if (left > 0) this.#streamsOf.set(spiffeId, left);
    else this.#streamsOf.delete(spiffeId);
    if (this.inFlight === 0) this.#whenIdle?.();
  }

  #fail(call: ActiveCall, thrown: unknown): void {
    this.#end(call);
    const durationMs = this.#options.clock.monotonicMs() - call.startedMs;
    call.fail(this.refused(call.rpc.name, thrown, durationMs));
  }

  #end(call: ActiveCall): void {
    call.isOver = true;
    if (call.timer !== undefined) clearTimeout(call.timer);
    this.#calls.delete(call);
    if (this.inFlight === 0) this.#whenIdle?.();
  }

  #endEarly(call: ActiveCall, reason: PloriError): void {
    if (call.isOver) return;
    call.abort(reason);
    this.#fail(call, reason);
  }

  #endOverdue(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#timer = undefined;
    for (const call of this.#calls) {
      if (call.deadlineMs > nowMs) {
        this.#timer = setTimeout(() => this.#endOverdue(), Math.ceil(call.deadlineMs - nowMs)).unref();
        return;
      }
      this.#endEarly(call, deadlineExceeded());
    }
  }
}

function deadlineExceeded(): PloriError {
  return refuse(
    "DEADLINE_EXCEEDED",
    "The deadline passed before the answer was ready. What was asked may still happen.",
  );
}

/** UNAUTHENTICATED, not PERMISSION_DENIED: the identity itself counts for nothing, whatever the RPC, so the answer is the same for all of them. */
function identityBlocked(): PloriError {
  return refuse("IDENTITY_INVALID", "This identity is blocked. An admin can let it in again.", { rule: "BLOCKED" });
}

function identityInvalid(rule: string): PloriError {
  return refuse("IDENTITY_INVALID", `The client certificate is not a valid X.509-SVID of this trust domain: ${rule}.`, {
    rule,
  });
}
