import type { FieldViolation, Reason } from "../base/errors.ts";

/** A canonical gRPC code by name, for example "UNAVAILABLE". */
export type HostErrorCode =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/**
 * Why a call failed: one of the service's reasons (`plori.error.v1.Reason`; a newer service may know more of them), or one of the client's own.
 * SERVICE_UNREACHABLE: no answer came. TRANSPORT: what stands between client and service refused. SPOOL_FULL: the spool's bound is reached, or its disk
 * is full. SPOOL_FAILED: its disk fails. HOST_CLOSED: `close` was called.
 */
export type HostErrorReason =
  | Reason
  | "SERVICE_UNREACHABLE"
  | "TRANSPORT"
  | "SPOOL_FULL"
  | "SPOOL_FAILED"
  | "HOST_CLOSED"
  | (string & {});

/** What a `HostError` tells. */
export interface HostErrorFacts {
  readonly code: HostErrorCode;
  readonly reason: HostErrorReason;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  /** How long to wait before a retry, in milliseconds. Absent: the service does not say that a retry can help. */
  readonly retryAfterMs?: number;
}

/** The one error type that the client throws. */
export class HostError extends Error {
  override readonly name = "HostError";
  readonly code: HostErrorCode;
  readonly reason: HostErrorReason;
  readonly metadata: Readonly<Record<string, string>>;
  /** Every wrong field, when fields are wrong. */
  readonly violations: readonly FieldViolation[];
  /** How long to wait before a retry, in milliseconds; undefined when nothing says that a retry can help. */
  readonly retryAfterMs: number | undefined;

  constructor(facts: HostErrorFacts, options?: { readonly cause?: unknown }) {
    super(facts.message, options);
    this.code = facts.code;
    this.reason = facts.reason;
    this.metadata = facts.metadata ?? {};
    this.violations = facts.violations ?? [];
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** The refusal of everything that is asked for after `close`. */
export function hostClosed(): HostError {
  return new HostError({ code: "CANCELLED", reason: "HOST_CLOSED", message: "The host was closed." });
}
