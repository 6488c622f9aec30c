import type { Clock } from "../../base/clock.ts";
import { LIMITS } from "../../base/limits.ts";
import type { Route } from "../routes/route.ts";
import type { CallOutcome, UsageRecord } from "./usage-record.ts";

/** What is known of a call beyond its route. */
export interface TrackOptions {
  /** The call's id, when one route serves several; the route's own otherwise. */
  readonly callId?: string | undefined;
  /** Counts the tries of one call, from 1. */
  readonly attempt?: number | undefined;
  /** The record's usage id; made of call id and attempt otherwise. */
  readonly usageId?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Tells a stream that was aborted from one that failed. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One model call, from its route to exactly one usage record: whichever end comes first counts, and those that follow give its promise. Ending wipes the
 * route's credential. The promise of an end resolves when the record is in the spool, durable; when it rejects (SPOOL_FULL), ending again tries the same
 * record again.
 */
export interface TrackedCall {
  readonly isEnded: boolean;
  /** Looks at a chunk of a stream, or at a whole answer, for the provider's `usage` object and its id of the call. What was seen last counts. */
  observe(answer: unknown): void;
  /**
   * Hands a stream's chunks on, observing them, and ends the call as the stream ends: SUCCEEDED at its end, CANCELLED when the consumer stops early or
   * `signal` aborted, FAILED when it throws. `parse` finds the provider's object in a chunk, where the chunk itself is not it.
   */
  follow<T>(stream: AsyncIterable<T>, parse?: (chunk: T) => unknown): AsyncGenerator<T, void, undefined>;
  /** The provider answered in full. `answer`: as for `observe`. */
  succeeded(answer?: unknown): Promise<void>;
  /** The host ended it early. */
  cancelled(answer?: unknown): Promise<void>;
  /** The provider refused or failed. */
  failed(answer?: unknown): Promise<void>;
  /** CANCELLED, unless it ended otherwise. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Tracks a call over a route; `record` puts its one record into the spool. */
export function trackCall(
  route: Route,
  options: TrackOptions,
  clock: Pick<Clock, "nowMs">,
  record: (record: UsageRecord) => Promise<void>,
): TrackedCall {
  const { attempt = 1, callId = route.callId, labels, signal } = options;
  const usageId = options.usageId ?? (attempt === 1 ? callId : `${callId}/${attempt}`);
  let providerUsage: object | undefined;
  let providerRequestId: string | undefined;
  let final: UsageRecord | undefined;
  let kept: Promise<void> | undefined;

  function observe(answer: unknown): void {
    if (final !== undefined || !isObject(answer)) return;
    if ("usage" in answer && isObject(answer.usage)) providerUsage = answer.usage;
    if ("id" in answer && typeof answer.id === "string" && answer.id.length <= LIMITS.providerRequestIdMaxChars)
      providerRequestId = answer.id;
  }
  function end(outcome: CallOutcome, answer?: unknown): Promise<void> {
    observe(answer);
    final ??= describe(outcome);
    kept ??= record(final).catch((error: unknown) => {
      kept = undefined;
      throw error;
    });
    return kept;
  }
  function describe(outcome: CallOutcome): UsageRecord {
    route.credential.wipe();
    const { id, account, agent } = route;
    const call = { usageId, account, agent, route: id, callId, attempt, outcome, labels };
    return { ...call, occurMs: clock.nowMs(), providerUsage, providerRequestId };
  }

  return {
    get isEnded() {
      return final !== undefined;
    },
    observe,
    async *follow(stream, parse) {
      // What neither ended nor threw was left by its consumer.
      let outcome: CallOutcome = "CANCELLED";
      try {
        for await (const chunk of stream) {
          observe(parse === undefined ? chunk : parse(chunk));
          yield chunk;
        }
        outcome = signal?.aborted === true ? "CANCELLED" : "SUCCEEDED";
      } catch (error) {
        outcome = signal?.aborted === true || isAbort(error) ? "CANCELLED" : "FAILED";
        throw error;
      } finally {
        await end(outcome);
      }
    },
    succeeded: (answer) => end("SUCCEEDED", answer),
    cancelled: (answer) => end("CANCELLED", answer),
    failed: (answer) => end("FAILED", answer),
    [Symbol.asyncDispose]: () => end("CANCELLED"),
  };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "APIUserAbortError");
}
