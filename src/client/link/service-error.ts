import { fromBinary } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status } from "@grpc/grpc-js";
import type { FieldViolation } from "../../base/errors.ts";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { HostError, type HostErrorCode, type HostErrorFacts } from "../host-error.ts";

/** Who defines the reasons (google.rpc.ErrorInfo.domain, AIP-193). */
const ERROR_DOMAIN = "plori.internal";
const DETAILS_KEY = "grpc-status-details-bin";

/** A failed call as the client's own error, with what the service said in the details. */
export function toHostError(error: ServiceError): HostError {
  const [bytes] = error.metadata?.get(DETAILS_KEY) ?? [];
  const told = bytes instanceof Uint8Array ? readStatus(bytes) : undefined;
  const facts = told === undefined ? undefined : factsOf(told);
  return new HostError(facts ?? transportFacts(error.code, error.details), { cause: error });
}

/** A status within an answer, as an error. */
export function statusToHostError(told: Status): HostError {
  return new HostError(factsOf(told) ?? transportFacts(told.code, told.message));
}

function readStatus(bytes: Uint8Array): Status | undefined {
  try {
    return fromBinary(StatusSchema, bytes);
  } catch {
    // Details that cannot be read tell nothing; the code and the message are still there.
    return undefined;
  }
}

function factsOf(told: Status): HostErrorFacts | undefined {
  let reason: string | undefined;
  let metadata: Record<string, string> = {};
  let violations: FieldViolation[] = [];
  let retryAfterMs: number | undefined;
  for (const { typeUrl, value } of told.details) {
    const type = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
    if (type === ErrorInfoSchema.typeName) {
      const info = fromBinary(ErrorInfoSchema, value);
      if (info.domain === ERROR_DOMAIN) ({ reason, metadata } = info);
    } else if (type === RetryInfoSchema.typeName) {
      retryAfterMs = toMs(fromBinary(RetryInfoSchema, value).retryDelay);
    } else if (type === BadRequestSchema.typeName) {
      violations = fromBinary(BadRequestSchema, value).fieldViolations.map(({ field, description }) => ({
        field,
        description,
      }));
    }
  }
  if (reason === undefined) return undefined;
  const retry = retryAfterMs === undefined ? {} : { retryAfterMs };
  return { code: codeName(told.code), reason, message: told.message, metadata, violations, ...retry };
}

/** What is known of a failure that the service itself said nothing about. */
function transportFacts(number: number, details: string): HostErrorFacts {
  const code = codeName(number);
  if (code === "UNAVAILABLE")
    return { code, reason: "SERVICE_UNREACHABLE", message: `The service did not answer: ${details}` };
  if (code === "DEADLINE_EXCEEDED") return { code, reason: code, message: "No answer came in time." };
  if (code === "CANCELLED") return { code, reason: code, message: "The call was cancelled." };
  return { code, reason: "TRANSPORT", message: details };
}

function codeName(number: number): HostErrorCode {
  const name = status[number];
  return name === undefined || name === "OK" ? "UNKNOWN" : (name as HostErrorCode);
}

function toMs(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1000 + Math.ceil(duration.nanos / 1_000_000);
}
