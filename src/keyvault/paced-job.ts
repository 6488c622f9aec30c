import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";

const TICK_MS = 1_000;
const MINUTE_MS = 60_000;
const UNDER_WAY_MAX = 16;
/** What may be made up for after a pause, in ticks' worth. */
const BURST_TICKS = 2;
const JITTER = 0.2;

/** Something that calls back later. */
export interface Timers {
  /** Calls `run` once, after `ms`. Returns what calls it off. */
  after(ms: number, run: () => void): () => void;
}

/** The machine's timers; they do not keep the process alive. */
export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** Errands that come due one by one, and how to run one. */
export interface PacedJobOptions<T> {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Pick<Log, "warn">;
  /** The most errands in a minute; 0: none. */
  readonly perMinute: number;
  /** What the log says when nobody could look for errands that are due. */
  readonly notLooked: string;
  /** Errands that are due, those that wait longest first, at most `limit`. */
  due(limit: number): Promise<readonly T[]>;
  /** Puts an errand off, durably, before it begins: a process that dies in the middle, or a provider that never answers, does not bring it back at once. */
  begin(errand: T): Promise<void>;
  /** Runs one; must not throw, and ends early when `signal` aborts. */
  run(errand: T, signal: AbortSignal): Promise<void>;
}

/** Errands under way. */
export interface PacedJob {
  /** Starts no more errands, cuts those under way short, and waits for their end. */
  close(): Promise<void>;
}

/** Runs errands when they are due, no faster than allowed, at most sixteen at a time. */
export function startPacedJob<T>(options: PacedJobOptions<T>): PacedJob {
  const { clock, timers, log, perMinute } = options;
  const ender = new AbortController();
  const underWay = new Set<Promise<void>>();
  const perMs = perMinute / MINUTE_MS;
  const burst = Math.max(1, perMs * TICK_MS * BURST_TICKS);
  let allowance = 0;
  let lastMs = clock.monotonicMs();
  let cancel = (): void => {};
  let ticking: Promise<void> = Promise.resolve();

  async function tick(): Promise<void> {
    const sinceMs = clock.monotonicMs() - lastMs;
    lastMs += sinceMs;
    allowance = Math.min(allowance + sinceMs * perMs, burst);
    const room = Math.min(Math.floor(allowance), UNDER_WAY_MAX - underWay.size);
    if (room < 1) return;
    for (const errand of await options.due(room)) {
      allowance -= 1;
      // Put off before the next look, or the next tick would find it due still.
      await options.begin(errand);
      const running: Promise<void> = options.run(errand, ender.signal).finally(() => underWay.delete(running));
      underWay.add(running);
    }
  }

  function schedule(): void {
    cancel = timers.after(TICK_MS, () => {
      ticking = tick()
        .catch((error: unknown) => log.warn(options.notLooked, { err: error }))
        .finally(() => {
          if (!ender.signal.aborted) schedule();
        });
    });
  }

  if (perMinute > 0) schedule();
  return {
    async close() {
      ender.abort();
      cancel();
      await ticking;
      await Promise.all(underWay);
    },
  };
}

/** A wait with up to a fifth more, by chance, so that what began together does not go on together. `random` gives 0 to 1. */
export function jittered(waitMs: number, random: () => number): number {
  return Math.round(waitMs * (1 + JITTER * random()));
}
