import { fromBinary } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import { UsageRecordSchema } from "../gen/plori/ledger/v1/ledger_pb.ts";
import { LedgerService, RecordOutcome, type RecordResult } from "../gen/plori/ledger/v1/ledger_service_pb.ts";
import { RouterService, type WatchRevocationsResponse } from "../gen/plori/router/v1/router_service_pb.ts";
import { type CallReport, readVerdict, reportMessage, type Verdict } from "./calls/report.ts";
import { type TokenCounts, tokensMessage } from "./calls/usage-record.ts";
import type { AnswerStream, CallOptions, Link } from "./link/link.ts";
import { withRetries } from "./link/retry.ts";
import { statusToHostError } from "./link/service-error.ts";
import { notUnderstood, providerNumber, readHold, readRoute, toMs } from "./routes/read-route.ts";
import type { Resolved, WantedCall } from "./routes/resolver.ts";
import type { RevocationMessage } from "./routes/revocation-watch.ts";
import type { RouteHold } from "./routes/route.ts";
import type { Refused } from "./spool/deliver.ts";

/** The service as the client uses it: messages are made and read here and nowhere else. */
export interface Service {
  /** Asks for a route. Asking again with the same call id is harmless, so it is tried again when the service is away for a moment. */
  resolve(wanted: WantedCall, options: CallOptions): Promise<Resolved>;
  /** Reports how a call ended. Repeating a report is harmless. */
  report(report: CallReport, options: CallOptions): Promise<Verdict>;
  /** Records usage once; what becomes of a failure is the caller's part. One answer for each record, in order. */
  record(payloads: readonly Uint8Array[], options: CallOptions): Promise<readonly Refused[]>;
  /** Keeps a hold open. Repeating it is harmless. */
  extendHold(
    account: string,
    hold: string,
    usedSoFar: TokenCounts | undefined,
    options: CallOptions,
  ): Promise<RouteHold>;
  /** Gives a hold back. Repeating it is harmless. */
  releaseHold(account: string, hold: string, options: CallOptions): Promise<void>;
  watchRevocations(resumeToken: string): AnswerStream<RevocationMessage>;
}

/** The service at the other end of `link`. */
export function openService(link: Link, clock: Clock): Service {
  const { resolveRoute, reportOutcome, watchRevocations } = RouterService.method;
  const { recordUsage, extendHold, releaseHold } = LedgerService.method;
  return {
    resolve({ account, agent, model, provider, callId, estimate }, options) {
      const request = {
        account,
        agent,
        model,
        provider: providerNumber(provider),
        callId,
        estimate: {
          inputTokens: BigInt(estimate?.inputTokens ?? 0),
          maxOutputTokens: BigInt(estimate?.maxOutputTokens ?? 0),
        },
      };
      return withRetries(clock, options, async (once) => {
        const { message, servedMs } = await link.call(resolveRoute, request, once);
        const { route } = message;
        if (route === undefined) throw notUnderstood();
        const { reuseUntilTime } = route;
        const reuseUntilMs = reuseUntilTime === undefined ? undefined : toMs(reuseUntilTime);
        return { leased: readRoute(route, { account, agent, model }), reuseUntilMs, servedMs };
      });
    },
    report: (report, options) =>
      withRetries(clock, options, async (once) => {
        const { message } = await link.call(reportOutcome, reportMessage(report), once);
        return readVerdict(message);
      }),
    async record(payloads, options) {
      const records = payloads.map((payload) => fromBinary(UsageRecordSchema, payload));
      const { message } = await link.call(recordUsage, { records }, options);
      if (message.results.length !== records.length) throw notUnderstood();
      return message.results.map(refusedOf);
    },
    extendHold(account, hold, used, options) {
      const request = { account, hold, ...(used === undefined ? {} : { usedSoFar: tokensMessage(used) }) };
      return withRetries(clock, options, async (once) => {
        const extended = readHold((await link.call(extendHold, request, once)).message.hold);
        if (extended === undefined) throw notUnderstood();
        return extended;
      });
    },
    releaseHold: (account, hold, options) =>
      withRetries(clock, options, async (once) => {
        await link.call(releaseHold, { account, hold }, once);
      }),
    watchRevocations(resumeToken) {
      const { messages, cancel } = link.stream(watchRevocations, { resumeToken });
      return { messages: readMessages(messages), cancel };
    },
  };
}

function refusedOf({ outcome, status }: RecordResult): Refused {
  if (outcome === RecordOutcome.CREATED || outcome === RecordOutcome.REPLAYED) return undefined;
  if (outcome === RecordOutcome.REJECTED && status !== undefined) return statusToHostError(status);
  // Nothing is taken for delivered that was not said to be.
  throw notUnderstood();
}

async function* readMessages(
  messages: AsyncIterable<WatchRevocationsResponse>,
): AsyncGenerator<RevocationMessage, void, undefined> {
  for await (const { resumeToken, revocations, everything } of messages)
    yield {
      resumeToken,
      everything,
      revocations: revocations.map(({ account, agent, key, keyVersion }) => ({ account, agent, key, keyVersion })),
    };
}
