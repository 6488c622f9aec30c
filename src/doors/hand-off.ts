/**
 * Hands values one at a time from a writer to one reader that pulls. The writer waits until the reader has taken what it gave, so nothing piles up between
 * them.
 */
export class HandOff<T> implements AsyncIterableIterator<T, undefined> {
  #offered: { readonly value: T; readonly taken: () => void } | undefined;
  #waiting: PromiseWithResolvers<IteratorResult<T, undefined>> | undefined;
  #end: { readonly error?: unknown } | undefined;
  readonly #onLeft: () => void;

  /** `onLeft` is called when the reader stops before the end. */
  constructor(onLeft: () => void) {
    this.#onLeft = onLeft;
  }

  /** Offers a value; resolves when the reader takes it. The writer gives one at a time, and none after the end. */
  give(value: T): Promise<void> {
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting.resolve({ done: false, value });
      return Promise.resolve();
    }
    return new Promise((taken) => {
      this.#offered = { value, taken };
    });
  }

  /** Ends after what was given; `failure` makes the reader's next read throw its error. Only the first end counts. */
  end(failure: { readonly error?: unknown } = {}): void {
    if (this.#end !== undefined) return;
    this.#end = failure;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    if ("error" in failure) waiting.reject(failure.error);
    else waiting.resolve({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const offered = this.#offered;
    if (offered !== undefined) {
      this.#offered = undefined;
      offered.taken();
      return Promise.resolve({ done: false, value: offered.value });
    }
    const end = this.#end;
    if (end === undefined) {
      this.#waiting ??= Promise.withResolvers();
      return this.#waiting.promise;
    }
    // A failure is told once.
    this.#end = {};
    return "error" in end ? Promise.reject(end.error) : Promise.resolve({ done: true, value: undefined });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    const isEarly = this.#end === undefined;
    this.end();
    this.#offered?.taken();
    this.#offered = undefined;
    if (isEarly) this.#onLeft();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
