import { SEAL_LIMITS, type SealLimits } from "./limits.ts";

/** How long data keys serve from memory, in milliseconds. */
export interface DataKeyLife {
  /** While KMS answers: how long a KMS key that was disabled still works. */
  readonly softMs: number;
  /** While KMS does not answer. Not less than `softMs`. */
  readonly hardMs: number;
}

/** A key in use is fetched again in the last part of its soft life, and not all the time when that is short. */
const REFRESH_AHEAD_PART = 1 / 4;

/** The sealer's limits for such lives. */
export function limitsOfLife({ softMs, hardMs }: DataKeyLife): Partial<SealLimits> {
  return {
    softLifeMs: softMs,
    hardLifeMs: hardMs,
    // Jitter doubles it at most.
    refreshAheadMs: Math.min(SEAL_LIMITS.refreshAheadMs, softMs * REFRESH_AHEAD_PART),
  };
}
