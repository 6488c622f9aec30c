import type { Log } from "../base/log.ts";

/** Something that runs now and then, never twice at once. */
export interface Sweeping {
  /** Stops it, and waits for the run that is under way. */
  stop(): Promise<void>;
}

/** How a sweep runs. */
export interface SweepOptions {
  /** How long after the start of one run the next one starts, in milliseconds; one that is still under way is not started again. */
  readonly everyMs: number;
  readonly log: Log;
  /** What the log says when a run throws. The next one comes all the same. */
  readonly failure: string;
}

/** Runs `run` soon and then every `everyMs` milliseconds. `run` ends early when its signal aborts. */
export function sweepEvery(
  { everyMs, log, failure }: SweepOptions,
  run: (signal: AbortSignal) => Promise<unknown>,
): Sweeping {
  const abort = new AbortController();
  let running: Promise<void> | undefined;
  const start = (): void => {
    running ??= run(abort.signal).then(
      () => {
        running = undefined;
      },
      (error: unknown) => {
        running = undefined;
        log.warn(failure, { err: error });
      },
    );
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
