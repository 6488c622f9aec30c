/** Topics whose last ring is remembered. */
const MARKED_TOPICS_MAX = 10_000;

/** Waits for its topics. */
export interface BellListener {
  /** Resolves when it rang since the last call (at once if it had), when `waitMs` have passed, or when `signal` aborts: whether it rang. One call at a time. */
  next(waitMs: number, signal: AbortSignal): Promise<boolean>;
  /** Stops listening. */
  close(): void;
}

/**
 * Wakes those who wait for news of a topic. It carries no news itself: whoever wakes reads what is new where it is kept, so nothing piles up for one that is
 * slow, and nobody is woken for another's topic.
 */
export class Bell {
  #newest: bigint;
  readonly #listeners = new Map<string, Set<() => void>>();
  #rings = 0;
  #marks = new Map<string, number>();
  #markBefore = 0;

  /** `newest`: the number of the newest news when it begins. */
  constructor(newest: bigint) {
    this.#newest = newest;
  }

  /** The highest number that was rung for, of whatever topic. */
  get newest(): bigint {
    return this.#newest;
  }

  /** Changes whenever the topic rings. Now and then also when it did not. */
  mark(topic: string): number {
    return this.#marks.get(topic) ?? this.#markBefore;
  }

  /** Rings for a topic: its news up to number `seq` can be read now. */
  ring(topic: string, seq: bigint): void {
    if (seq > this.#newest) this.#newest = seq;
    this.#rings += 1;
    if (this.#marks.size >= MARKED_TOPICS_MAX) {
      this.#marks = new Map();
      this.#markBefore = this.#rings;
    }
    this.#marks.set(topic, this.#rings);
    const listeners = this.#listeners.get(topic);
    if (listeners !== undefined) for (const wake of listeners) wake();
  }

  /** Listens for one or more topics from now on. */
  listen(...topics: readonly string[]): BellListener {
    let hasRung = false;
    let waiting: (() => void) | undefined;
    const wake = (): void => {
      hasRung = true;
      waiting?.();
    };
    for (const topic of topics) {
      const listeners = this.#listeners.get(topic) ?? new Set();
      this.#listeners.set(topic, listeners.add(wake));
    }
    return {
      async next(waitMs, signal) {
        if (!hasRung && !signal.aborted) {
          await new Promise<void>((resolve) => {
            const done = (): void => {
              clearTimeout(timer);
              signal.removeEventListener("abort", done);
              waiting = undefined;
              resolve();
            };
            const timer = setTimeout(done, waitMs).unref();
            signal.addEventListener("abort", done, { once: true });
            waiting = done;
          });
        }
        const told = hasRung;
        hasRung = false;
        return told;
      },
      close: () => {
        for (const topic of topics) {
          const listeners = this.#listeners.get(topic);
          listeners?.delete(wake);
          if (listeners?.size === 0) this.#listeners.delete(topic);
        }
      },
    };
  }
}
