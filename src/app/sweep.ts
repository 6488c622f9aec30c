/** Something that runs now and then, never twice at once. */
export interface Sweeping {
  /** Stops it, and waits for the run that is under way. */
  stop(): Promise<void>;
}

/** Runs `run` soon and then every `everyMs` milliseconds. `run` must not throw, and ends early when its signal aborts. */
export function sweepEvery(everyMs: number, run: (signal: AbortSignal) => Promise<void>): Sweeping {
  const abort = new AbortController();
  let running: Promise<void> | undefined;
  const start = (): void => {
    running ??= run(abort.signal).finally(() => {
      running = undefined;
    });
  };
  start();
  const timer = setInterval(start, everyMs);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      abort.abort();
      await running;
    },
  };
}
