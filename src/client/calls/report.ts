import type { MessageInitShape } from "@bufbuild/protobuf";
import { KeyState as KeyStateNumber } from "../../gen/plori/keyvault/v1/keyvault_pb.ts";
import {
  Advice as AdviceNumber,
  type ReportOutcomeRequestSchema,
  type ReportOutcomeResponse,
} from "../../gen/plori/router/v1/router_service_pb.ts";
import { notUnderstood, toMs } from "../routes/read-route.ts";
import type { Route } from "../routes/route.ts";

/** How a model call ended, when it did not end well. */
export interface CallReport {
  readonly route: Pick<Route, "id" | "callId">;
  /** The call's id, when one route serves several; the route's own otherwise. */
  readonly callId?: string | undefined;
  /** The HTTP status that the provider answered with; 0 when no answer came. */
  readonly httpStatus: number;
  /** Its error, if it told one. The service judges it and forgets it. */
  readonly providerError?: { readonly code?: string | undefined; readonly message?: string | undefined } | undefined;
  /** How long the provider asks to wait (its Retry-After), in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** How a key is. */
export type KeyState = "ACTIVE" | "UNVERIFIED" | "RATE_LIMITED" | "EXHAUSTED" | "BLOCKED" | "DEAD" | "UNREADABLE";

/**
 * What to do about a call. RETRY_SAME: the same route may be used again, after `stateUntilMs` if there is one. RESOLVE_AGAIN: another key may serve. STOP: only
 * the user can help, or the request itself was wrong.
 */
export type Advice = "RETRY_SAME" | "RESOLVE_AGAIN" | "STOP";

/** The service's word on a report. */
export interface Verdict {
  readonly advice: Advice;
  /** How the route's key is, for this host. Undefined: it was replaced or removed since. */
  readonly keyState: KeyState | undefined;
  /** Why: a short phrase of the service's, never the provider's text. */
  readonly stateReason: string;
  /** Until when the state holds, by the service's clock, in milliseconds since the Unix epoch. Undefined: until something changes it. */
  readonly stateUntilMs: number | undefined;
}

/** The service reads no more. */
const CODE_MAX_CHARS = 256;
const MESSAGE_MAX_CHARS = 65_536;

const ADVICE: Readonly<Record<number, Advice>> = {
  [AdviceNumber.RETRY_SAME]: "RETRY_SAME",
  [AdviceNumber.RESOLVE_AGAIN]: "RESOLVE_AGAIN",
  [AdviceNumber.STOP]: "STOP",
};
const STATES: Readonly<Record<number, KeyState>> = {
  [KeyStateNumber.ACTIVE]: "ACTIVE",
  [KeyStateNumber.UNVERIFIED]: "UNVERIFIED",
  [KeyStateNumber.RATE_LIMITED]: "RATE_LIMITED",
  [KeyStateNumber.EXHAUSTED]: "EXHAUSTED",
  [KeyStateNumber.BLOCKED]: "BLOCKED",
  [KeyStateNumber.DEAD]: "DEAD",
  [KeyStateNumber.UNREADABLE]: "UNREADABLE",
};

/** A report as it is sent. What is longer than the service reads is cut: providers write what they like. */
export function reportMessage(report: CallReport): MessageInitShape<typeof ReportOutcomeRequestSchema> {
  const { route, callId, httpStatus, providerError, retryAfterMs } = report;
  return {
    route: route.id,
    callId: callId ?? route.callId,
    httpStatus,
    providerError: {
      code: (providerError?.code ?? "").slice(0, CODE_MAX_CHARS),
      message: (providerError?.message ?? "").slice(0, MESSAGE_MAX_CHARS),
    },
    ...(retryAfterMs === undefined
      ? {}
      : {
          retryAfter: {
            seconds: BigInt(Math.trunc(retryAfterMs / 1000)),
            nanos: Math.trunc(retryAfterMs % 1000) * 1_000_000,
          },
        }),
  };
}

/** The answer to a report. Throws INTERNAL on one that this version does not understand. */
export function readVerdict(answer: ReportOutcomeResponse): Verdict {
  const advice = ADVICE[answer.advice];
  if (advice === undefined) throw notUnderstood();
  return {
    advice,
    keyState: STATES[answer.keyState],
    stateReason: answer.stateReason,
    stateUntilMs: answer.stateUntilTime === undefined ? undefined : toMs(answer.stateUntilTime),
  };
}
