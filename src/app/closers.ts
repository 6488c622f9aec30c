/** What was opened, so that it can be closed: the last first. */
export interface Closers {
  /** Has `close` called when the floors are closed. */
  add(close: () => Promise<void> | void): void;
  /** Closes everything that was added and is not closed yet, in reverse order, one after the other. */
  closeAll(): Promise<void>;
}

/** Nothing is open yet. */
export function createClosers(): Closers {
  const closers: (() => Promise<void> | void)[] = [];
  return {
    add: (close) => void closers.push(close),
    async closeAll() {
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
}
