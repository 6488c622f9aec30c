import type { Clock } from "../base/clock.ts";
import { KmsError } from "../kms/kms.ts";
import type { CircuitBreaker } from "./circuit-breaker.ts";
import type { SealLimits } from "./limits.ts";

/** Lets a bounded number of KMS calls run at once and a bounded number wait, and none while the circuit is open. */
export interface KmsGate {
  /** Runs `call`. Throws what it throws, or `unavailable` when there is no place, the wait is too long, the circuit is open, or the gate is closed. */
  run<T>(call: () => Promise<T>): Promise<T>;
  readonly running: number;
  readonly queued: number;
  /** Refuses everything that waits or comes later. */
  close(): void;
}

/** A gate over `breaker`, which learns from every call. */
export function createKmsGate(
  clock: Pick<Clock, "monotonicMs">,
  breaker: CircuitBreaker,
  limits: Pick<SealLimits, "kmsCallsMax" | "kmsQueueMax" | "kmsQueueMaxMs">,
): KmsGate {
  const queue: Array<() => void> = [];
  let running = 0;
  let closed = false;

  /** Resolves when there is a place, which the caller then holds. Calls end within KMS's own deadline, so the queue cannot stand still. */
  function takePlace(): Promise<void> | undefined {
    if (running < limits.kmsCallsMax) {
      running += 1;
      return undefined;
    }
    if (queue.length >= limits.kmsQueueMax) throw new KmsError("unavailable", "QueueFull");
    return new Promise((resolve) => queue.push(resolve));
  }

  function leavePlace(): void {
    const next = queue.shift();
    // The place passes on as it is, so that a newcomer cannot take it in between.
    if (next === undefined) running -= 1;
    else next();
  }

  return {
    async run(call) {
      const sinceMs = clock.monotonicMs();
      if (closed) throw new KmsError("unavailable", "Closed");
      const wait = takePlace();
      if (wait !== undefined) await wait;
      try {
        if (closed) throw new KmsError("unavailable", "Closed");
        if (clock.monotonicMs() - sinceMs > limits.kmsQueueMaxMs) throw new KmsError("unavailable", "QueueTimeout");
        if (!breaker.tryEnter()) throw new KmsError("unavailable", "CircuitOpen");
        return await observe(call, breaker);
      } finally {
        leavePlace();
      }
    },
    get running() {
      return running;
    },
    get queued() {
      return queue.length;
    },
    close() {
      closed = true;
      for (const wake of queue.splice(0)) {
        // Whoever is woken finds the gate closed and gives the place back.
        running += 1;
        wake();
      }
    },
  };
}

async function observe<T>(call: () => Promise<T>, breaker: CircuitBreaker): Promise<T> {
  try {
    const result = await call();
    breaker.answered();
    return result;
  } catch (error) {
    if (error instanceof KmsError && error.failure !== "unavailable") breaker.answered();
    else breaker.unanswered();
    throw error;
  }
}
