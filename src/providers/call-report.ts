import { type Answer, firstMatch } from "./answer.ts";
import type { CallFinding, ProviderDescriptor } from "./descriptor.ts";

const MATCHED_MAX_CHARS = 8_192;

/** How a model call ended, as the agent host that made it tells. */
export interface CallReport {
  /** 0: no answer came. */
  readonly httpStatus: number;
  /** The provider's error code, or "". */
  readonly code: string;
  /** The provider's error message, or "". It is matched and then forgotten: it may hold parts of a key. */
  readonly message: string;
}

/**
 * What a report says about the key. It is hearsay: enough to hold a key back for a while and to probe it, never to call it dead.
 * An answer's status means different things to different providers, so each provider's own rules come first.
 */
export function judgeReport(descriptor: ProviderDescriptor, report: CallReport): CallFinding {
  const told: Answer = {
    status: report.httpStatus,
    lowerText: `${report.code} ${report.message}`.slice(0, MATCHED_MAX_CHARS).toLowerCase(),
    json: undefined,
    code: report.code,
    // A host tells one code, which may be what the provider calls a type.
    type: report.code,
    cutJson: false,
  };
  return firstMatch(descriptor.callRules, told, 0) ?? byStatus(report.httpStatus);
}

function byStatus(status: number): CallFinding {
  if (status >= 200 && status < 300) return "ok";
  switch (status) {
    case 401:
      return "key_refused";
    case 402:
      return "no_credit";
    case 403:
      return "restricted";
    case 404:
      return "model_refused";
    case 429:
      return "rate_limited";
    case 408:
      return "provider_down";
    default:
      return status >= 400 && status < 500 ? "request_refused" : "provider_down";
  }
}
