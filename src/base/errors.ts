/** The canonical gRPC status codes that this service answers with (google.rpc.Code). */
export type Code =
  | "CANCELLED"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

interface ReasonSpec {
  readonly code: Code;
  /** How long a caller should wait before it tries again, unless the error says otherwise. Absent: a retry cannot help. */
  readonly retryAfterMs?: number;
}

/** The closed set of reasons, each with its one code (DESIGN of the API; `plori.error.v1.Reason` documents them for callers). */
export const REASONS = {
  FIELDS_INVALID: { code: "INVALID_ARGUMENT" },
  KEY_SHAPE_MISMATCH: { code: "INVALID_ARGUMENT" },
  KEY_REJECTED: { code: "INVALID_ARGUMENT" },
  ANTHROPIC_NOT_SUPPORTED: { code: "INVALID_ARGUMENT" },
  IDENTITY_INVALID: { code: "UNAUTHENTICATED" },
  ROLE_NOT_ALLOWED: { code: "PERMISSION_DENIED" },
  AGENT_NOT_PLACED: { code: "PERMISSION_DENIED" },
  MODEL_UNKNOWN: { code: "NOT_FOUND" },
  HOLD_NOT_FOUND: { code: "NOT_FOUND" },
  ROUTE_NOT_FOUND: { code: "NOT_FOUND" },
  KEY_NOT_FOUND: { code: "NOT_FOUND" },
  GRANT_NOT_FOUND: { code: "NOT_FOUND" },
  CHARGE_NOT_FOUND: { code: "NOT_FOUND" },
  IDENTITY_BLOCK_NOT_FOUND: { code: "NOT_FOUND" },
  USAGE_ID_CONFLICT: { code: "ALREADY_EXISTS" },
  REQUEST_ID_CONFLICT: { code: "ALREADY_EXISTS" },
  KEY_DEAD: { code: "FAILED_PRECONDITION" },
  KEY_EXHAUSTED: { code: "FAILED_PRECONDITION" },
  KEY_BLOCKED: { code: "FAILED_PRECONDITION" },
  KEY_UNREADABLE: { code: "FAILED_PRECONDITION" },
  CREDITS_EXHAUSTED: { code: "FAILED_PRECONDITION" },
  PRICE_NOT_FOUND: { code: "FAILED_PRECONDITION" },
  CALL_SETTLED: { code: "FAILED_PRECONDITION" },
  HOLD_NOT_OPEN: { code: "FAILED_PRECONDITION" },
  PRICES_UNCONFIRMED: { code: "FAILED_PRECONDITION" },
  CHARGE_REVERSED: { code: "FAILED_PRECONDITION" },
  PIN_WITHOUT_KEY: { code: "FAILED_PRECONDITION" },
  SPEND_CAP_TOO_LOW: { code: "FAILED_PRECONDITION" },
  CONNECT_NOT_FOUND: { code: "NOT_FOUND" },
  CONNECT_EXPIRED: { code: "FAILED_PRECONDITION" },
  CONNECT_SPENT: { code: "FAILED_PRECONDITION" },
  CONNECT_CODE_REFUSED: { code: "FAILED_PRECONDITION" },
  CONNECT_CHALLENGE_REFUSED: { code: "FAILED_PRECONDITION" },
  CONNECT_EXCHANGE_REFUSED: { code: "FAILED_PRECONDITION" },
  ETAG_MISMATCH: { code: "ABORTED" },
  STALE_GENERATION: { code: "ABORTED" },
  KEY_RATE_LIMITED: { code: "UNAVAILABLE", retryAfterMs: 5_000 },
  PROVIDER_UNREACHABLE: { code: "UNAVAILABLE", retryAfterMs: 5_000 },
  KMS_UNAVAILABLE: { code: "UNAVAILABLE", retryAfterMs: 1_000 },
  STORAGE_FULL: { code: "UNAVAILABLE", retryAfterMs: 5_000 },
  DRAINING: { code: "UNAVAILABLE", retryAfterMs: 500 },
  OVERLOADED: { code: "RESOURCE_EXHAUSTED", retryAfterMs: 500 },
  RATE_LIMITED: { code: "RESOURCE_EXHAUSTED", retryAfterMs: 1_000 },
  TOO_MANY_HOLDS: { code: "RESOURCE_EXHAUSTED", retryAfterMs: 5_000 },
  RECORD_CORRUPT: { code: "DATA_LOSS" },
  INTERNAL: { code: "INTERNAL" },
  DEADLINE_EXCEEDED: { code: "DEADLINE_EXCEEDED" },
  CANCELLED: { code: "CANCELLED" },
} as const satisfies Record<string, ReasonSpec>;

/** Why a call was refused. */
export type Reason = keyof typeof REASONS;

/** One wrong field: its path as in google.rpc.BadRequest ("records[2].usage_id"), and what is wrong with it. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** A refusal as plain data: it crosses thread borders and is stored; `PloriError` carries it as an exception. */
export interface Refusal {
  readonly reason: Reason;
  /** What happened and what to do, for the caller's eyes. Never a secret, never another party's text. */
  readonly message: string;
  /** Machine-readable facts that the message mentions. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  /** Overrides the reason's own wait. */
  readonly retryAfterMs?: number;
}

/** The one error type that callers see: a closed reason, mapped once to a code and its details by the doors. */
export class PloriError extends Error {
  override readonly name = "PloriError";
  readonly refusal: Refusal;

  /** `cause` is for the log only; it never reaches a caller. */
  constructor(refusal: Refusal, options?: { readonly cause?: unknown }) {
    super(refusal.message, options);
    this.refusal = refusal;
  }

  get reason(): Reason {
    return this.refusal.reason;
  }

  get code(): Code {
    return REASONS[this.refusal.reason].code;
  }

  /** How long to wait before a retry, in milliseconds; undefined when a retry cannot help. */
  get retryAfterMs(): number | undefined {
    return retryAfterMs(this.refusal);
  }
}

/** How long to wait before a retry of what was refused, in milliseconds; undefined when a retry cannot help. */
export function retryAfterMs(refusal: Refusal): number | undefined {
  const spec: ReasonSpec = REASONS[refusal.reason];
  return spec.retryAfterMs === undefined ? undefined : (refusal.retryAfterMs ?? spec.retryAfterMs);
}

/** Shorthand for the common throw: `throw refuse("KEY_NOT_FOUND", "…")`. */
export function refuse(reason: Reason, message: string, metadata?: Readonly<Record<string, string>>): PloriError {
  return new PloriError(metadata === undefined ? { reason, message } : { reason, message, metadata });
}

/** Throws unless `condition` holds: for mistakes of ours, never for input. The message is for the log. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
