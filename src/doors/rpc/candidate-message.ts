import {
  type Candidate,
  RouteReason as ReasonNumber,
  Verdict as VerdictNumber,
} from "../../gen/plori/router/v1/router_pb.ts";
import type { CandidateVerdict, Candidate as DecidedCandidate, RouteReason } from "../../router/decision.ts";
import { payerNumber, providerNumber } from "./words.ts";

const VERDICT_NUMBERS = {
  CHOSEN: VerdictNumber.CHOSEN,
  SKIPPED: VerdictNumber.SKIPPED,
  REFUSED: VerdictNumber.REFUSED,
  NOT_NEEDED: VerdictNumber.NOT_NEEDED,
} as const satisfies Record<CandidateVerdict, VerdictNumber>;

const REASON_NUMBERS = {
  PINNED_BY_REQUEST: ReasonNumber.PINNED_BY_REQUEST,
  QUALIFIED: ReasonNumber.QUALIFIED,
  NATIVE_KEY: ReasonNumber.NATIVE_KEY,
  OPENROUTER_KEY: ReasonNumber.OPENROUTER_KEY,
  HOSTED: ReasonNumber.HOSTED,
  NO_KEY: ReasonNumber.NO_KEY,
  MODEL_NOT_SERVED: ReasonNumber.MODEL_NOT_SERVED,
  NOT_HOSTED: ReasonNumber.NOT_HOSTED,
  NO_PLATFORM_KEY: ReasonNumber.NO_PLATFORM_KEY,
  KEY_DEAD: ReasonNumber.KEY_DEAD,
  KEY_EXHAUSTED: ReasonNumber.KEY_EXHAUSTED,
  KEY_BLOCKED: ReasonNumber.KEY_BLOCKED,
  KEY_UNREADABLE: ReasonNumber.KEY_UNREADABLE,
  KEY_RATE_LIMITED: ReasonNumber.KEY_RATE_LIMITED,
  OTHER_PROVIDER_PINNED: ReasonNumber.OTHER_PROVIDER_PINNED,
  OWN_KEY_FIRST: ReasonNumber.OWN_KEY_FIRST,
  PINNED_BY_POLICY: ReasonNumber.PINNED_BY_POLICY,
  POLICY_PIN_WITHOUT_KEY: ReasonNumber.POLICY_PIN_WITHOUT_KEY,
} as const satisfies Record<RouteReason, ReasonNumber>;

/** The number of a route reason. */
export function reasonNumber(reason: RouteReason): ReasonNumber {
  return REASON_NUMBERS[reason];
}

/** A candidate as the API shows it. */
export function candidateMessage(candidate: DecidedCandidate): Candidate {
  return {
    $typeName: "plori.router.v1.Candidate",
    provider: providerNumber(candidate.provider),
    payer: payerNumber(candidate.payer),
    key: candidate.key,
    upstreamModel: candidate.upstreamModel,
    verdict: VERDICT_NUMBERS[candidate.verdict],
    reason: REASON_NUMBERS[candidate.reason],
  };
}
