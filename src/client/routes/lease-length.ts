/** A lease is never longer, whatever a clock says. */
export const LEASE_MAX_MS = 5 * 60_000;

/** What is known about how long a route may be reused. Milliseconds; wall times since the Unix epoch. */
export interface LeaseTimes {
  /** Until when, by the service's clock. */
  readonly reuseUntilMs: number;
  /** When the service answered, by its clock; undefined when it did not say. */
  readonly servedMs: number | undefined;
  /** When the request was sent, by the host's clock. */
  readonly sentWallMs: number;
  /** Taken off: what is handed out at the end of a lease is used a moment later. */
  readonly marginMs: number;
}

/**
 * How long after the request was sent a lease may be used, in milliseconds; zero or less: not at all. The end is a moment of the service's clock, so what
 * counts is its distance from another moment of that clock; the host's clock stands in for it only when the service did not say what time it was. A
 * clock that is off cannot make a lease longer than five minutes.
 */
export function leaseLengthMs({ reuseUntilMs, servedMs, sentWallMs, marginMs }: LeaseTimes): number {
  return Math.min(reuseUntilMs - (servedMs ?? sentWallMs), LEASE_MAX_MS) - marginMs;
}

/** A moment by both clocks, in milliseconds. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/**
 * How much time lies between two moments, in milliseconds: the longer of what both clocks say. The monotonic clock stands still while the machine sleeps, the
 * wall clock can be set back; neither makes anything younger than it is.
 */
export function ageMs(since: Moment, now: Moment): number {
  return Math.max(now.monotonicMs - since.monotonicMs, now.wallMs - since.wallMs);
}
