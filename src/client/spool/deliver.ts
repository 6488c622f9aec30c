import { setTimeout as pause } from "node:timers/promises";
import { chance } from "../../base/chance.ts";
import type { Clock } from "../../base/clock.ts";
import { LIMITS } from "../../base/limits.ts";
import { HostError } from "../host-error.ts";
import type { HostLog } from "../log.ts";
import type { DeadLetter, DeadLetters } from "./dead-letters.ts";
import type { Spool, SpoolBatch } from "./spool.ts";

/** What the service said of one record: undefined when it has it, now or since before. */
export type Refused = HostError | undefined;

/** What delivering needs. */
export interface DelivererDeps {
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: HostLog;
  readonly spool: Spool;
  readonly deadLetters: DeadLetters;
  /** Sends records; one answer for each, in order. Rejects with a HostError when the request as a whole fails. */
  readonly send: (payloads: readonly Uint8Array[]) => Promise<readonly Refused[]>;
}

/** Well below what the service reads, so that the request's own frame fits. */
const BATCH_MAX_BYTES = 768 * 1024;
const FIRST_WAIT_MS = 200;
const LAST_WAIT_MS = 5_000;
/** The service's own word counts up to here. */
const TOLD_WAIT_MAX_MS = 30_000;
/** While somebody waits for the spool to be empty. */
const FLUSH_WAIT_MAX_MS = 500;
/** Whoever refuses with these does not mean the record. */
const WAIT_CODES: ReadonlySet<string> = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "INTERNAL",
  "UNKNOWN",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
  "UNIMPLEMENTED",
  "ABORTED",
  "DATA_LOSS",
]);

/** Empties the spool into the service, batch after batch, for as long as the host lives. */
export class Deliverer {
  readonly #deps: DelivererDeps;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  readonly #idle = new Set<() => void>();
  #wake: () => void = () => {};
  /** Ends the wait after a failure. */
  #hurry: () => void = () => {};

  constructor(deps: DelivererDeps) {
    this.#deps = deps;
    deps.spool.onAppended(() => this.#wake());
    this.#ended = this.#run();
  }

  /** Tries at once what waits after a failure. Resolves when nothing waits for delivery, or after `maxMs`. Says whether nothing waits. */
  async flush(maxMs: number): Promise<boolean> {
    const { spool } = this.#deps;
    this.#hurry();
    const timeout = new AbortController();
    const over = pause(maxMs, undefined, { signal: timeout.signal }).then(
      () => timeout.abort(),
      () => {},
    );
    while (spool.waiting.records > 0 && !timeout.signal.aborted) {
      let whenIdle = (): void => {};
      const idle = new Promise<void>((resolve) => {
        whenIdle = resolve;
      });
      this.#idle.add(whenIdle);
      await Promise.race([idle, over]);
      this.#idle.delete(whenIdle);
    }
    timeout.abort();
    return spool.waiting.records === 0;
  }

  /** Begins no further batch, and resolves when the one under way has ended; ending that early is its sender's part. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; ) {
      const appended = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        const wasSome = await this.#deliverNext();
        failures = 0;
        if (wasSome) continue;
        for (const whenIdle of this.#idle) whenIdle();
        await appended;
      } catch (error) {
        failures += 1;
        this.#logFailure(error, failures);
        const hurried = new AbortController();
        this.#hurry = () => hurried.abort();
        const ended = AbortSignal.any([signal, hurried.signal]);
        const waitMs = waitAfter(error, failures);
        const soonMs = this.#idle.size > 0 ? Math.min(waitMs, FLUSH_WAIT_MAX_MS) : waitMs;
        await pause(soonMs, undefined, { signal: ended, ref: false }).catch(() => {});
      }
    }
  }

  /** Delivers the oldest batch. Says whether there was one. */
  async #deliverNext(): Promise<boolean> {
    const { spool } = this.#deps;
    const batch = await spool.nextBatch(LIMITS.usageRecordsMax, BATCH_MAX_BYTES);
    if (batch === undefined) return false;
    await this.#deliver(batch);
    return true;
  }

  async #deliver(batch: SpoolBatch): Promise<void> {
    const { spool, deadLetters, clock, log } = this.#deps;
    const refused = await this.#sendAll(batch.payloads);
    if (refused.length > 0) {
      await deadLetters.keep(refused, clock.nowMs());
      for (const { error } of refused)
        log.error("a usage record was refused", { reason: error.reason, code: error.code });
    }
    await spool.delivered(batch);
  }

  /** Sends the records and returns those that were refused for good. Rejects when some of them must be sent again. */
  async #sendAll(payloads: readonly Uint8Array[]): Promise<readonly DeadLetter[]> {
    const answers = await this.#sendOrSplit(payloads);
    const again = answers.find((error) => error !== undefined && isWait(error));
    if (again !== undefined) throw again;
    return payloads.flatMap((payload, index) => {
      const error = answers[index];
      return error === undefined ? [] : [{ payload, error }];
    });
  }

  /** A request that is refused as a whole, for what is in it, is sent in halves, until the record is found that is the reason. */
  async #sendOrSplit(payloads: readonly Uint8Array[]): Promise<readonly Refused[]> {
    try {
      return await this.#deps.send(payloads);
    } catch (error) {
      if (!(error instanceof HostError) || isWait(error)) throw error;
      if (payloads.length === 1) return [error];
      const middle = Math.ceil(payloads.length / 2);
      const first = await this.#sendOrSplit(payloads.slice(0, middle));
      return [...first, ...(await this.#sendOrSplit(payloads.slice(middle)))];
    }
  }

  #logFailure(error: unknown, failures: number): void {
    if (this.#closing.signal.aborted) return;
    const { log, spool } = this.#deps;
    const { records } = spool.waiting;
    if (error instanceof HostError) {
      const { code, reason } = error;
      log.warn("usage records are not delivered yet", { code, reason, failures, records });
    } else log.error("usage records cannot be delivered", { err: error, failures, records });
  }
}

/** Whether what was refused should be sent again later, as it is. */
function isWait(error: HostError): boolean {
  return error.retryAfterMs !== undefined || WAIT_CODES.has(error.code);
}

function waitAfter(error: unknown, failures: number): number {
  const backOffMs = Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 20), LAST_WAIT_MS) * (0.5 + chance() / 2);
  const toldMs = error instanceof HostError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(backOffMs, Math.min(toldMs, TOLD_WAIT_MAX_MS));
}
