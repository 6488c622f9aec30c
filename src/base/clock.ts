/** Where time comes from. Tests hold their own. */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch, a whole number. */
  nowMs(): number;
  /** Time that never steps back, in milliseconds from an arbitrary start. Stops while the machine is suspended. */
  monotonicMs(): number;
}

/** The machine's own clocks. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** A clock that stands still until it is told otherwise. For tests and for replaying the past. */
export interface ManualClock extends Clock {
  /** Moves both clocks forward by `ms`. */
  advance(ms: number): void;
  /** Steps the wall clock alone to `ms` since the epoch, as an operator or a time daemon might. */
  stepWallTo(ms: number): void;
}

/** A manual clock that starts at `startMs` since the Unix epoch. */
export function manualClock(startMs: number): ManualClock {
  let wallMs = startMs;
  let monotonic = 0;
  return {
    nowMs: () => wallMs,
    monotonicMs: () => monotonic,
    advance(ms) {
      wallMs += ms;
      monotonic += ms;
    },
    stepWallTo(ms) {
      wallMs = ms;
    },
  };
}
