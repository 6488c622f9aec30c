import { FieldChecker } from "../base/fields.ts";
import type { ReleasedRoute } from "./ports.ts";

const CODE_MAX_CHARS = 256;
const MESSAGE_MAX_CHARS = 65_536;

/** How a model call ended. */
export interface ReportOutcomeInput {
  readonly routeId: string;
  readonly callId: string;
  /** 0: no answer came. */
  readonly httpStatus: number;
  /** The provider's own words, or "". They are judged and forgotten: neither kept, nor logged, nor told to anybody. */
  readonly errorCode: string;
  readonly errorMessage: string;
  /** How long the provider asks to wait; more than an hour counts as an hour. */
  readonly retryAfterMs: number | undefined;
}

/** Checks a report's fields. Throws FIELDS_INVALID with every wrong one. */
export function checkReport(input: ReportOutcomeInput): void {
  const fields = new FieldChecker();
  fields.externalId("route", input.routeId);
  fields.externalId("call_id", input.callId);
  const { httpStatus, retryAfterMs } = input;
  fields.check(
    httpStatus === 0 || (httpStatus >= 100 && httpStatus <= 599),
    "http_status",
    "must be 100-599, or 0 when no answer came",
  );
  // Providers write what they like, so only the size is looked at.
  fields.check(
    input.errorCode.length <= CODE_MAX_CHARS,
    "provider_error.code",
    `must be at most ${CODE_MAX_CHARS} characters long`,
  );
  fields.check(
    input.errorMessage.length <= MESSAGE_MAX_CHARS,
    "provider_error.message",
    `must be at most ${MESSAGE_MAX_CHARS} characters long`,
  );
  fields.check(retryAfterMs === undefined || retryAfterMs >= 0, "retry_after", "must not be negative");
  fields.done();
}

/** Checks that a hosted route is reported for the one call that it serves; a BYOK route may serve many. Throws FIELDS_INVALID. */
export function checkCall(route: ReleasedRoute, callId: string): void {
  const fields = new FieldChecker();
  fields.check(
    route.payer !== "HOSTED" || route.callId === callId,
    "call_id",
    "is not the call that the route was resolved for",
  );
  fields.done();
}
