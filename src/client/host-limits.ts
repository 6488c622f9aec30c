import type { SpoolLimits } from "./spool/spool.ts";

/** Bounds and waits of a host; each has a default. Times are in milliseconds. */
export interface HostLimits {
  /** Routes kept for reuse. Default 10,000. */
  readonly leasesMax: number;
  /** A lease ends so much before the service says. Default 2,000. */
  readonly leaseMarginMs: number;
  /** How long resolving may take in all, tries included. Default 10,000. */
  readonly resolveMaxMs: number;
  /** How long a report may take: the service asks the provider meanwhile. Default 30,000. */
  readonly reportMaxMs: number;
  /** How long one delivery of records may take. Default 15,000. */
  readonly recordMaxMs: number;
  /** After so long without a sign of life, revocations count as not heard. Default 11,000; the service gives one every 5,000, and 15,000 is its own bound. */
  readonly silenceMaxMs: number;
  /** After so long without a stream of revocations, they count as not heard. Default 2,000. */
  readonly brokenMaxMs: number;
  /** How often the certificate files are looked at. Default 5,000. */
  readonly reloadEveryMs: number;
  /** How often the spools of dead processes are looked for. Default 30,000. */
  readonly adoptEveryMs: number;
  /** Usage records that may wait for delivery. Default 200,000. */
  readonly spoolRecordsMax: number;
  /** Bytes that they may take. Default 128 MiB. */
  readonly spoolBytesMax: number;
}

const MIB = 1024 * 1024;
/** How often leases that ran out are looked for, so that their credentials do not stay in memory. */
const SWEEP_EVERY_MS = 1_000;
const SEGMENT_MAX_BYTES = 4 * MIB;
const SILENCE_BOUND_MS = 15_000;

const DEFAULTS: HostLimits = {
  leasesMax: 10_000,
  leaseMarginMs: 2_000,
  resolveMaxMs: 10_000,
  reportMaxMs: 30_000,
  recordMaxMs: 15_000,
  silenceMaxMs: 11_000,
  brokenMaxMs: 2_000,
  reloadEveryMs: 5_000,
  adoptEveryMs: 30_000,
  spoolRecordsMax: 200_000,
  spoolBytesMax: 128 * MIB,
};

/** The limits as the parts use them. The time without a sign of life is bounded, whatever is asked for: revocations rest on it. */
export function readLimits(asked: Partial<HostLimits> = {}) {
  const limits: HostLimits = { ...DEFAULTS, ...asked };
  const spool: SpoolLimits = {
    recordsMax: limits.spoolRecordsMax,
    bytesMax: limits.spoolBytesMax,
    segmentMaxBytes: SEGMENT_MAX_BYTES,
  };
  return {
    ...limits,
    silenceMaxMs: Math.min(limits.silenceMaxMs, SILENCE_BOUND_MS),
    brokenMaxMs: Math.min(limits.brokenMaxMs, SILENCE_BOUND_MS),
    sweepEveryMs: SWEEP_EVERY_MS,
    spool,
  };
}
