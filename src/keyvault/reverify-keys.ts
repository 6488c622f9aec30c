import type { Clock } from "../base/clock.ts";
import { PloriError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { KeyKeeper } from "./key-keeper.ts";
import { jittered, type PacedJob, startPacedJob, type Timers } from "./paced-job.ts";
import type { KeyRef, KeyStore } from "./ports.ts";

export { systemTimers } from "./paced-job.ts";

const MINUTE_MS = 60_000;
/** When a key is tried again whose probe told nothing: the provider was silent, the KMS away, or this process ended. */
const UNTOLD_MS = 60 * MINUTE_MS;

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

/**
 * Probes stored keys again when their time comes, which is kept with each key: those that wait longest first, so none is forgotten. An account whose own
 * bound is reached comes later and holds nobody up.
 */
export function startReverifier(options: ReverifierOptions): PacedJob {
  const { keys, clock } = options;
  return startPacedJob<KeyRef>({
    ...options,
    perMinute: options.probesPerMinute,
    notLooked: "keys were not looked through for their next probe",
    due: (limit) => keys.dueProbes(clock.nowMs(), limit),
    begin: (ref) => keys.deferProbe(ref, clock.nowMs() + jittered(UNTOLD_MS, options.random)),
    run: (ref, signal) => probeAgain(options, ref, signal),
  });
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
