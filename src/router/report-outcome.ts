import type { Clock } from "../base/clock.ts";
import { type PloriError, refuse } from "../base/errors.ts";
import { PLATFORM_ACCOUNT } from "../base/provider.ts";
import type { Caller } from "../identity/roles.ts";
import type { KeyRef } from "../keyvault/ports.ts";
import { judgeReport } from "../providers/call-report.ts";
import type { CallFinding } from "../providers/descriptor.ts";
import { describeProvider } from "../providers/descriptors.ts";
import { checkCall, checkReport, type ReportOutcomeInput } from "./check-report.ts";
import { type KeyWatch, trialCall } from "./key-watch.ts";
import { notePlatformFinding, settlePlatformFinding } from "./platform-report.ts";
import type { KeyReports, PolicyDirectory, ReleasedRoute, ReportCause, ReportedKey, RouteLog } from "./ports.ts";
import { type Advice, adviseHost } from "./report-advice.ts";

/** What reports need. */
export interface ReportOutcomeDeps {
  readonly routes: RouteLog;
  readonly reports: KeyReports;
  readonly policyDirectory: Pick<PolicyDirectory, "policyOf">;
  readonly keyWatch: KeyWatch;
  readonly clock: Pick<Clock, "nowMs">;
}

/** How the key is after a report, and what to do. */
export interface ReportedOutcome {
  readonly advice: Advice;
  /** The key as the reporting host should see it; absent: that version is no longer there. */
  readonly key: ReportedKey | undefined;
}

/**
 * Takes a host's word on how a call ended. What it says about the key's life only makes us probe the key, and waits for the probe; a rate limit or an empty
 * account holds the key back for a while. The report is about the key version of its route: a late one never hurts a newer key. A report that comes
 * twice does what it did once. Throws FIELDS_INVALID, ROUTE_NOT_FOUND, and what the store throws.
 */
export async function reportOutcome(
  deps: ReportOutcomeDeps,
  input: ReportOutcomeInput,
  caller: Caller,
): Promise<ReportedOutcome> {
  checkReport(input);
  const route = await deps.routes.find(input.routeId);
  // The right to report follows the route, as the right to record usage does. Another host's route looks like none.
  if (route === undefined || route.host !== caller.name || caller.role !== "agent-host")
    throw routeNotFound(input.routeId);
  checkCall(route, input.callId);
  const { httpStatus, errorCode: code, errorMessage: message } = input;
  const finding = judgeReport(describeProvider(route.provider), { httpStatus, code, message });
  const report: Report = { route, finding, ref: refOf(route), host: caller.name, input, caller };
  const isPlatform = route.keyAccount === PLATFORM_ACCOUNT;
  const found = await deps.reports.find(report.ref);
  const key = found === undefined ? undefined : await judgeFound(deps, report, found, isPlatform);
  const { onKeyFailure } = await deps.policyDirectory.policyOf(route.account);
  const advice = adviseHost({ finding, state: key?.state, isPlatform, onKeyFailure });
  return { advice, key };
}

async function judgeFound(
  deps: ReportOutcomeDeps,
  report: Report,
  key: ReportedKey,
  isPlatform: boolean,
): Promise<ReportedKey | undefined> {
  const trial = isTrialRoute(key, report.route);
  try {
    return await (isPlatform ? judgePlatformKey : judgeOwnKey)(deps, report, key, trial);
  } finally {
    // Not before it is known how the trial ended: else the next call would try the key too.
    if (trial) deps.keyWatch.trials.release(report.ref, trialCall(report.host, report.input.callId));
  }
}

/** A report that was found to be in order. */
export interface Report {
  readonly route: ReleasedRoute;
  readonly finding: CallFinding;
  readonly ref: KeyRef;
  readonly host: string;
  readonly input: ReportOutcomeInput;
  readonly caller: Caller;
}

async function judgeOwnKey(
  { reports }: ReportOutcomeDeps,
  report: Report,
  key: ReportedKey,
  trial: boolean,
): Promise<ReportedKey | undefined> {
  const { finding, ref, route, input } = report;
  const cause = causeOf(report);
  switch (finding) {
    case "ok":
      return reports.note(ref, { kind: "reported-success", trial }, cause);
    case "rate_limited": {
      const model = isWholeKey(report) ? "" : route.upstreamModel;
      return reports.note(ref, { kind: "reported-rate-limit", model, ...retryAfter(input) }, cause);
    }
    case "no_credit": {
      const noted = await reports.note(
        ref,
        { kind: "reported-no-credit", reason: noCreditReason(report), trial },
        cause,
      );
      // Where the probe shows the account, it has the last word.
      const tells = describeProvider(route.provider).validate.tellsCredit === true;
      return tells && noted?.state === "EXHAUSTED" ? probed(reports, report, noted) : noted;
    }
    case "key_refused":
    case "restricted":
      return probed(reports, report, key);
    case "network_refused":
    case "model_refused":
    case "request_refused":
    case "provider_down":
      return key;
  }
}

/** As for a user's key, but that only our own probe changes anything for other hosts. */
async function judgePlatformKey(
  { reports, keyWatch: { findings }, clock }: ReportOutcomeDeps,
  report: Report,
  key: ReportedKey,
  trial: boolean,
): Promise<ReportedKey | undefined> {
  const { finding, ref } = report;
  if (finding === "ok" && trial) return reports.note(ref, { kind: "reported-success", trial }, causeOf(report));
  const noted = notePlatformFinding(findings, report, isWholeKey(report), clock.nowMs());
  if (noted === undefined) return key;
  const after = noted.probes ? await reports.probe(ref, causeOf(report)) : "not-probed";
  if (after === "not-probed") return noted.standing;
  if (after === undefined) return undefined;
  return settlePlatformFinding(findings, report, after) || after.state !== "ACTIVE" ? after : noted.standing;
}

/** The key after a probe; `otherwise` when it cannot be probed now. */
async function probed(reports: KeyReports, report: Report, otherwise: ReportedKey): Promise<ReportedKey | undefined> {
  const after = await reports.probe(report.ref, causeOf(report));
  return after === "not-probed" ? otherwise : after;
}

function refOf({ keyAccount: account, keyId, keyVersion: version }: ReleasedRoute): KeyRef {
  return { account, keyId, version };
}

/** The call tried an exhausted key again: its route was released after the wait. Told from what is stored, so it holds across a restart. */
function isTrialRoute({ state, stateUntilMs }: ReportedKey, route: ReleasedRoute): boolean {
  return state === "EXHAUSTED" && stateUntilMs !== undefined && route.createMs >= stateUntilMs;
}

/** OpenRouter's 402 for budget that requests in flight hold back is about the whole key; a 429 about the model, since that is all that is known. */
function isWholeKey({ input }: Report): boolean {
  return input.httpStatus === 402;
}

function retryAfter({ retryAfterMs }: ReportOutcomeInput): { readonly retryAfterMs?: number } {
  return retryAfterMs === undefined ? {} : { retryAfterMs };
}

function noCreditReason({ route }: Report): string {
  return `${describeProvider(route.provider).displayName} refuses calls: there is no credit left.`;
}

function causeOf({ caller, finding, route, input }: Report): ReportCause {
  const details = { cause: "report", finding, route: route.routeId, call_id: input.callId, model: route.upstreamModel };
  return { caller: caller.spiffeId, details };
}

function routeNotFound(route: string): PloriError {
  return refuse(
    "ROUTE_NOT_FOUND",
    `There is no route ${route} of this host. Use the route as ResolveRoute returned it.`,
    { route },
  );
}
