import { HostError } from "../host-error.ts";

/** How much waits in the spool. */
export interface Waiting {
  readonly records: number;
  readonly bytes: number;
}

const FULL_CODES: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** The refusal of a record for which the spool's bound has no room. */
export function spoolFull({ records, bytes }: Waiting): HostError {
  return new HostError({
    code: "RESOURCE_EXHAUSTED",
    reason: "SPOOL_FULL",
    message: `The spool is full: ${records} records (${bytes} bytes) wait for delivery. The record is not kept. See why nothing is delivered, then record it again.`,
  });
}

/** A failed write as what the caller is told. */
export function spoolFailed(error: unknown): HostError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (FULL_CODES.has(code)) {
    const message = "The spool's disk is full. The record is not kept. Make room, then record it again.";
    return new HostError({ code: "RESOURCE_EXHAUSTED", reason: "SPOOL_FULL", message }, { cause: error });
  }
  const message = "The spool's disk fails. The record may not be kept. Record it again, with the same usage id.";
  return new HostError({ code: "UNAVAILABLE", reason: "SPOOL_FAILED", message }, { cause: error });
}
