import type { MessageInitShape } from "@bufbuild/protobuf";
import { KeyState } from "../../gen/plori/keyvault/v1/keyvault_pb.ts";
import {
  Advice as AdviceNumber,
  type ReportOutcomeRequest,
  type ReportOutcomeResponseSchema,
} from "../../gen/plori/router/v1/router_service_pb.ts";
import type { ReportOutcomeInput } from "../../router/check-report.ts";
import type { Advice } from "../../router/report-advice.ts";
import type { ReportedOutcome } from "../../router/report-outcome.ts";
import { stateNumber } from "./key-message.ts";
import { toTimestamp } from "./times.ts";

const ADVICE_NUMBERS = {
  RETRY_SAME: AdviceNumber.RETRY_SAME,
  RESOLVE_AGAIN: AdviceNumber.RESOLVE_AGAIN,
  STOP: AdviceNumber.STOP,
} as const satisfies Record<Advice, AdviceNumber>;

/** A report as a host sends it. */
export function readReport(request: ReportOutcomeRequest): ReportOutcomeInput {
  const { route, callId, httpStatus, providerError, retryAfter } = request;
  return {
    routeId: route,
    callId,
    httpStatus,
    errorCode: providerError?.code ?? "",
    errorMessage: providerError?.message ?? "",
    // Far more than an hour still fits: the verb says what too much is.
    retryAfterMs:
      retryAfter === undefined
        ? undefined
        : Number(retryAfter.seconds) * 1000 + Math.ceil(retryAfter.nanos / 1_000_000),
  };
}

/** The answer to a report. */
export function reportedFields({ advice, key }: ReportedOutcome): MessageInitShape<typeof ReportOutcomeResponseSchema> {
  return {
    advice: ADVICE_NUMBERS[advice],
    keyState: key === undefined ? KeyState.UNSPECIFIED : stateNumber(key.state),
    stateReason: key?.stateReason ?? "",
    ...(key?.stateUntilMs === undefined ? {} : { stateUntilTime: toTimestamp(key.stateUntilMs) }),
  };
}
