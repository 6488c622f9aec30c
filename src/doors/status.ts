import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { type Code, type FieldViolation, PloriError, REASONS, type Refusal, retryAfterMs } from "../base/errors.ts";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "../gen/google/rpc/status_pb.ts";

/** Who defines the reasons (google.rpc.ErrorInfo.domain, AIP-193). */
export const ERROR_DOMAIN = "plori.internal";

const MESSAGE_MAX_CHARS = 1_024;
/** gRPC clients refuse trailers beyond 8 KiB by default, and the details travel there in base64: what is longer would turn the refusal into a transport fault. */
const VIOLATIONS_MAX_BYTES = 3_072;

/** google.rpc.Code by name. */
export const CODE_NUMBERS: Readonly<Record<Code, number>> = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
};

/**
 * A refusal as google.rpc.Status: ErrorInfo always, BadRequest with its field violations, RetryInfo wherever a retry can help, in this order. The one
 * mapping: both doors send it, and an answer that refuses a part of a request carries it.
 */
export function refusalToStatus(refusal: Refusal): Status {
  const details = [
    pack(ErrorInfoSchema, {
      reason: refusal.reason,
      domain: ERROR_DOMAIN,
      metadata: { ...refusal.metadata },
    }),
  ];
  if (refusal.violations !== undefined && refusal.violations.length > 0)
    details.push(pack(BadRequestSchema, { fieldViolations: withinBudget(refusal.violations) }));
  const waitMs = retryAfterMs(refusal);
  if (waitMs !== undefined) {
    const seconds = Math.trunc(waitMs / 1000);
    const nanos = Math.round((waitMs - seconds * 1000) * 1_000_000);
    details.push(pack(RetryInfoSchema, { retryDelay: { seconds: BigInt(seconds), nanos } }));
  }
  return create(StatusSchema, {
    code: CODE_NUMBERS[REASONS[refusal.reason].code],
    message: refusal.message.slice(0, MESSAGE_MAX_CHARS),
    details,
  });
}

/** What a caller is told about something that was thrown: a `PloriError` as it is, anything else as a fault of ours under `requestId`. */
export function thrownToRefusal(thrown: unknown, requestId: () => string): Refusal {
  if (thrown instanceof PloriError) return thrown.refusal;
  return {
    reason: "INTERNAL",
    message: "A fault of ours; nothing that you sent caused it. Report the request id that stands in the metadata.",
    metadata: { request_id: requestId() },
  };
}

function pack<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any {
  return create(AnySchema, {
    typeUrl: `type.googleapis.com/${schema.typeName}`,
    value: toBinary(schema, create(schema, init)),
  });
}

/** As many violations as fit; the last one then says how many more there are. */
function withinBudget(violations: readonly FieldViolation[]): { field: string; description: string }[] {
  const kept: { field: string; description: string }[] = [];
  let bytes = 0;
  for (const { field, description } of violations) {
    bytes += Buffer.byteLength(field) + Buffer.byteLength(description) + 8;
    if (bytes > VIOLATIONS_MAX_BYTES) {
      kept.push({ field: "", description: `and ${violations.length - kept.length} more` });
      break;
    }
    kept.push({ field, description });
  }
  return kept;
}
