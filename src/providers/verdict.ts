import { MAX_NANO } from "../base/credits.ts";
import { type Answer, firstMatch, readAnswer } from "./answer.ts";
import { scaleDecimal } from "./decimal.ts";
import type { ProbeOutcome, ProviderDescriptor, RuleOutcome } from "./descriptor.ts";
import { readPath } from "./json-path.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** What a provider tells about a key's allowance; what it does not tell is absent. */
export interface ProviderLimits {
  /** The most that the key may spend, in nano US dollars. */
  readonly limitUsdNano?: bigint;
  /** What of it is left, in nano US dollars; may be negative. */
  readonly remainingUsdNano?: bigint;
  /** When the provider ends the key, in milliseconds since the epoch. */
  readonly expireMs?: number;
}

/** What is known about a key after a probe. It holds nothing that the provider wrote. */
export interface Verdict {
  readonly outcome: ProbeOutcome;
  /** A sentence of ours, for the key's owner. */
  readonly reason: string;
  /** The status that the provider answered with; absent when it did not answer. */
  readonly httpStatus?: number;
  /** The provider saw no credential: a mistake of ours, worth an alarm. The outcome is then `unknown`. */
  readonly headerMissing?: true;
  readonly limits?: ProviderLimits;
  /** How long the provider asks us to wait, at most an hour. */
  readonly retryAfterMs?: number;
}

/** A probe's answer as it came from the wire. */
export interface ProbeAnswer {
  readonly status: number;
  readonly bodyText: string;
  /** Whether the body went on after `bodyText`. */
  readonly truncated?: boolean;
  readonly headers: { readonly retryAfter?: string };
}

/** What the answer of the provider's validation endpoint says about the key. Pure; `nowMs` is for expiry and for dates in Retry-After. */
export function judgeProbe(descriptor: ProviderDescriptor, probe: ProbeAnswer, nowMs: number): Verdict {
  const answer = readAnswer(probe.status, probe.bodyText, probe.truncated === true);
  const found = firstMatch(descriptor.validate.rules, answer, nowMs) ?? byStatus(probe.status);
  const limits = readLimits(descriptor, answer);
  const retryAfterMs = parseRetryAfter(probe.headers.retryAfter, nowMs);
  return {
    outcome: found === "header_missing" ? "unknown" : found,
    reason: explain(found, descriptor),
    httpStatus: probe.status,
    ...(found === "header_missing" ? { headerMissing: true } : {}),
    ...(limits === undefined ? {} : { limits }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** The verdict when the provider gave no answer: not reached, cut off, or too slow. */
export function unreachedVerdict(descriptor: ProviderDescriptor): Verdict {
  return { outcome: "unknown", reason: `${descriptor.displayName} could not be reached, so the key was not checked.` };
}

/** The verdict on bytes that no HTTP header can carry: no provider ever issued them. */
export function unsendableVerdict(descriptor: ProviderDescriptor): Verdict {
  return { outcome: "invalid", reason: explain("invalid", descriptor) };
}

/** Redirects are never followed: the key would go to a host that no table of ours names. */
function byStatus(status: number): ProbeOutcome {
  return status === 429 ? "rate_limited" : "unknown";
}

function explain(outcome: RuleOutcome, { displayName }: ProviderDescriptor): string {
  switch (outcome) {
    case "valid":
      return `${displayName} accepts the key.`;
    case "valid_restricted":
      return `${displayName} knows the key, but it is restricted there.`;
    case "valid_no_credit":
      return `${displayName} knows the key, but there is no credit left on it.`;
    case "blocked":
      return `The key, or the team that it belongs to, is blocked or disabled at ${displayName}.`;
    case "wrong_kind":
      return `This is a management key of ${displayName}, which cannot call models.`;
    case "invalid":
      return `${displayName} does not accept the key: it is mistyped, revoked or expired.`;
    case "network_refused":
      return `${displayName} refuses the network address of this service, so the key was not checked.`;
    case "rate_limited":
      return `${displayName} answers that there are too many requests just now.`;
    case "header_missing":
    case "unknown":
      return `${displayName} gave no clear answer, so the key was not checked.`;
  }
}

function readLimits({ validate }: ProviderDescriptor, answer: Answer): ProviderLimits | undefined {
  if (validate.limits === undefined || answer.status !== 200) return undefined;
  const limitUsdNano = usdNano(readPath(answer.json, validate.limits.limitUsd));
  const remainingUsdNano = usdNano(readPath(answer.json, validate.limits.remainingUsd));
  const expireMs = timeMs(readPath(answer.json, validate.limits.expireTime));
  const limits = {
    ...(limitUsdNano === undefined ? {} : { limitUsdNano }),
    ...(remainingUsdNano === undefined ? {} : { remainingUsdNano }),
    ...(expireMs === undefined ? {} : { expireMs }),
  };
  return Object.keys(limits).length === 0 ? undefined : limits;
}

function usdNano(value: unknown): bigint | undefined {
  const nano = scaleDecimal(value, 9);
  return nano === undefined || nano > MAX_NANO || nano < -MAX_NANO ? undefined : nano;
}

function timeMs(value: unknown): number | undefined {
  const ms = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
