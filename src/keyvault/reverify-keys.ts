import type { Clock } from "../base/clock.ts";
import { PloriError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { KeyKeeper } from "./key-keeper.ts";
import type { KeyRef, KeyStore } from "./ports.ts";

const TICK_MS = 1_000;
const MINUTE_MS = 60_000;
const PROBES_UNDER_WAY_MAX = 16;
/** Probes that may be made up for after a pause, in ticks' worth. */
const BURST_TICKS = 2;
/** When a key is tried again whose probe told nothing: the provider was silent, the KMS away, or this process ended. */
const UNTOLD_MS = 60 * MINUTE_MS;
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

/** What probing stored keys again needs. */
export interface ReverifierOptions {
  readonly keys: Pick<KeyStore, "dueProbes" | "deferProbe">;
  readonly keeper: Pick<KeyKeeper, "probe">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Pick<Log, "warn">;
  /** The most probes in a minute, over all accounts; 0: none. */
  readonly probesPerMinute: number;
  /** Gives 0 to 1. */
  readonly random: () => number;
}

/** Probing under way. */
export interface Reverifier {
  /** Starts no more probes, cuts those under way short, and waits for their end. */
  close(): Promise<void>;
}

/**
 * Probes stored keys again when their time comes, which is kept with each key: those that wait longest first, so none is forgotten. Before a probe begins, the
 * next one is put off, durably: a process that dies in the middle, or a provider that never answers, does not bring the same keys back at once. An account
 * whose own bound is reached comes later and holds nobody up.
 */
export function startReverifier(options: ReverifierOptions): Reverifier {
  const { keys, clock, timers, log, probesPerMinute } = options;
  const ender = new AbortController();
  const underWay = new Set<Promise<void>>();
  const perMs = probesPerMinute / MINUTE_MS;
  const burst = Math.max(1, perMs * TICK_MS * BURST_TICKS);
  let allowance = 0;
  let lastMs = clock.monotonicMs();
  let cancel = (): void => {};
  let ticking: Promise<void> = Promise.resolve();

  async function tick(): Promise<void> {
    const sinceMs = clock.monotonicMs() - lastMs;
    lastMs += sinceMs;
    allowance = Math.min(allowance + sinceMs * perMs, burst);
    const room = Math.min(Math.floor(allowance), PROBES_UNDER_WAY_MAX - underWay.size);
    if (room < 1) return;
    for (const ref of await keys.dueProbes(clock.nowMs(), room)) {
      allowance -= 1;
      // Put off before the next look, or the next tick would find it due still.
      await keys.deferProbe(ref, clock.nowMs() + jittered(UNTOLD_MS, options.random));
      const probing: Promise<void> = probeAgain(options, ref, ender.signal).finally(() => underWay.delete(probing));
      underWay.add(probing);
    }
  }

  function schedule(): void {
    cancel = timers.after(TICK_MS, () => {
      ticking = tick()
        .catch((error: unknown) => log.warn("keys were not looked through for their next probe", { err: error }))
        .finally(() => {
          if (!ender.signal.aborted) schedule();
        });
    });
  }

  if (probesPerMinute > 0) schedule();
  return {
    async close() {
      ender.abort();
      cancel();
      await ticking;
      await Promise.all(underWay);
    },
  };
}

async function probeAgain(
  { keys, keeper, clock, log, random }: ReverifierOptions,
  ref: KeyRef,
  signal: AbortSignal,
): Promise<void> {
  const cause = { caller: "service", actor: "", details: { cause: "time" }, auditAlways: false };
  try {
    await keeper.probe(ref, cause, { for: "SERVICE", signal });
  } catch (error) {
    if (signal.aborted) return;
    const reason = error instanceof PloriError ? error.reason : undefined;
    if (reason !== "RATE_LIMITED") {
      log.warn("a key was not probed again", reason === undefined ? { err: error } : { reason });
      return;
    }
    const waitMs = error instanceof PloriError ? (error.retryAfterMs ?? MINUTE_MS) : MINUTE_MS;
    await keys
      .deferProbe(ref, clock.nowMs() + jittered(waitMs, random))
      .catch((failure: unknown) => log.warn("a probe was not put off", { err: failure }));
  }
}

function jittered(waitMs: number, random: () => number): number {
  return Math.round(waitMs * (1 + JITTER * random()));
}
