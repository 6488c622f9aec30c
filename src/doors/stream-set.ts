import { refuse } from "../base/errors.ts";

const STREAMS_MAX = 1_000;

/** One open stream of the doors' own services. */
export interface OpenStream {
  /** Aborts when the stream must end. */
  readonly signal: AbortSignal;
  /** Tells that it ended. Safe to call twice. */
  end(): void;
}

/** The streams of the doors' own services that are open, so that they are bounded and can all be ended. */
export class StreamSet {
  readonly #open = new Set<AbortController>();
  #isClosed = false;

  /** A new stream; already aborted once the set is closed. */
  open(): OpenStream {
    const controller = new AbortController();
    if (this.#isClosed) controller.abort();
    this.#open.add(controller);
    return {
      signal: controller.signal,
      end: () => {
        this.#open.delete(controller);
        controller.abort();
      },
    };
  }

  /** Throws OVERLOADED when too many are open, the newest included. */
  check(): void {
    if (this.#open.size > STREAMS_MAX) throw refuse("OVERLOADED", "Too many streams are open. End some, or try later.");
  }

  /** Ends all, and every one that is opened later. */
  close(): void {
    this.#isClosed = true;
    for (const controller of this.#open) controller.abort();
  }
}
