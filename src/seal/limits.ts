/** Bounds of the sealer. Times are in milliseconds. */
export interface SealLimits {
  /** Data keys kept at once; the least recently used goes first. */
  readonly dataKeysMax: number;
  /** Opened records whose derived keys are kept with each data key. */
  readonly recordKeysPerDataKeyMax: number;
  /** While KMS answers, a data key serves no longer than this: it is how long a disabled KMS key still works. */
  readonly softLifeMs: number;
  /** While KMS does not answer, a data key serves until this age. */
  readonly hardLifeMs: number;
  /** How long before the end of the soft life a key in use is fetched again, at least; jitter adds up to as much again. */
  readonly refreshAheadMs: number;
  /** The least time between two attempts to refresh one key. */
  readonly refreshPauseMs: number;
  /** After an attempt that nobody answered, a key past its soft life serves this long before someone must wait for the next attempt. */
  readonly staleServeMs: number;
  /** How long a refusal is remembered: between these two, chosen by chance. */
  readonly refusalMinMs: number;
  readonly refusalMaxMs: number;
  /** Refusals remembered at once. */
  readonly refusalsMax: number;
  /** Calls to KMS at once, calls that may queue for a place, and how long a call may have queued. */
  readonly kmsCallsMax: number;
  readonly kmsQueueMax: number;
  readonly kmsQueueMaxMs: number;
  /** This many calls in a row that nobody answered open the circuit, for this long (half to one and a half, by chance). */
  readonly breakerFailuresMax: number;
  readonly breakerOpenMs: number;
  /** How often keys past their hard life are dropped although nobody asks for them. */
  readonly sweepEveryMs: number;
}

/**
 * So many stored records of one data key, and the service rotates it. 2^32 is NIST's bound for one AES-GCM key with random nonces (SP 800-38D §8.3). It
 * does not bind here, where each record has a key of its own (`deriveRecordKey`): it is kept as a second line of defence that costs next to nothing.
 */
export const SEALS_PER_DATA_KEY_MAX = 2 ** 32;

/** The defaults. The promise built on them: a disabled KMS key stops serving within 5 minutes, and an outage of KMS of an hour is not noticed. */
export const SEAL_LIMITS: SealLimits = {
  dataKeysMax: 10_000,
  recordKeysPerDataKeyMax: 64,
  softLifeMs: 5 * 60_000,
  hardLifeMs: 70 * 60_000,
  refreshAheadMs: 10_000,
  refreshPauseMs: 1_000,
  staleServeMs: 5_000,
  refusalMinMs: 1_000,
  refusalMaxMs: 5_000,
  refusalsMax: 10_000,
  kmsCallsMax: 20,
  kmsQueueMax: 1_000,
  kmsQueueMaxMs: 2_500,
  breakerFailuresMax: 5,
  breakerOpenMs: 5_000,
  sweepEveryMs: 60_000,
};
