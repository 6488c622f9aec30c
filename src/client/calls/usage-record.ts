import { create, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { LIMITS } from "../../base/limits.ts";
import { CallOutcome as OutcomeNumber, UsageRecordSchema } from "../../gen/plori/ledger/v1/ledger_pb.ts";
import { checked } from "../checked.ts";
import { PAYLOAD_MAX_BYTES } from "../spool/frames.ts";

/** How a model call ended. CANCELLED: the host ended it early; what the provider counted until then is charged. */
export type CallOutcome = "SUCCEEDED" | "CANCELLED" | "FAILED";

/** Token counts as disjoint parts, for hosts that count themselves. */
export interface TokenCounts {
  readonly inputUncached?: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly output?: number;
  readonly reasoning?: number;
}

/** What one model call used. */
export interface UsageRecord {
  /**
   * The host's permanent idempotency key, unique per account, 1-128 of [A-Za-z0-9._:/-]: a record that is recorded again, word for word and time included,
   * counts once.
   */
  readonly usageId: string;
  readonly account: string;
  readonly agent: string;
  /** When the call happened, in milliseconds since the Unix epoch: at most 35 days ago. */
  readonly occurMs: number;
  /** `Route.id` of the call. */
  readonly route: string;
  /** The call's id; hosted calls: the one that the route was resolved for. */
  readonly callId: string;
  /** Counts the tries of one call, from 1. */
  readonly attempt?: number | undefined;
  readonly outcome: CallOutcome;
  /** The provider's `usage` object, word for word. The service knows each provider's. */
  readonly providerUsage?: object | undefined;
  /** Instead of `providerUsage`. */
  readonly tokens?: TokenCounts | undefined;
  /** The provider's own id of the call. */
  readonly providerRequestId?: string | undefined;
  /** Up to 16; names 1-63 of [a-z0-9_-], values at most 128 characters. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

const OUTCOMES: Readonly<Record<CallOutcome, OutcomeNumber>> = {
  SUCCEEDED: OutcomeNumber.SUCCEEDED,
  CANCELLED: OutcomeNumber.CANCELLED,
  FAILED: OutcomeNumber.FAILED,
};
const LABEL_NAME = /^[a-z0-9_-]{1,63}$/;
const ATTEMPT_MAX = 10_000;
const USAGE_MAX_CHARS = 8_192;

/**
 * A record as it is sent. What the service would refuse is refused here, while somebody is there to mend it: throws FIELDS_INVALID with every wrong field.
 */
export function encodeUsageRecord(record: UsageRecord): Uint8Array {
  const usage = record.providerUsage === undefined ? undefined : JSON.stringify(record.providerUsage);
  checkRecord(record, usage);
  const { usageId, account, agent, occurMs, route, callId, attempt, outcome, tokens } = record;
  const seconds = Math.floor(occurMs / 1000);
  const payload = toBinary(
    UsageRecordSchema,
    create(UsageRecordSchema, {
      usageId,
      account,
      agent,
      occurTime: { seconds: BigInt(seconds), nanos: (Math.floor(occurMs) - seconds * 1000) * 1_000_000 },
      labels: { ...record.labels },
      kind: {
        case: "modelCall",
        value: {
          authority: { case: "route", value: route },
          callId,
          attempt: attempt ?? 1,
          outcome: OUTCOMES[outcome],
          providerRequestId: record.providerRequestId ?? "",
          ...(usage === undefined ? {} : { usage: { case: "providerUsage", value: JSON.parse(usage) as JsonObject } }),
          ...(tokens === undefined ? {} : { usage: { case: "tokens", value: tokensMessage(tokens) } }),
        },
      },
    }),
  );
  checked((fields) => fields.check(payload.length <= PAYLOAD_MAX_BYTES, "record", "is too large"));
  return payload;
}

function checkRecord(record: UsageRecord, usage: string | undefined): void {
  checked((fields) => {
    fields.externalId("usage_id", record.usageId);
    fields.id("account", record.account);
    fields.id("agent", record.agent);
    fields.id("route", record.route);
    fields.externalId("call_id", record.callId);
    fields.check(Number.isFinite(record.occurMs), "occur_time", "must be a number of milliseconds");
    const { attempt = 1, tokens = {}, providerRequestId = "", labels = {} } = record;
    fields.check(isWhole(attempt) && attempt <= ATTEMPT_MAX, "attempt", `must be 1-${ATTEMPT_MAX}`);
    fields.text("provider_request_id", providerRequestId, 0, LIMITS.providerRequestIdMaxChars);
    for (const [name, count] of Object.entries(tokens))
      fields.check(isWhole(count), `tokens.${name}`, "must be a whole number, 0 or more");
    const isObject = usage === undefined || (usage.startsWith("{") && usage.length <= USAGE_MAX_CHARS);
    fields.check(isObject, "provider_usage", `must be an object, at most ${USAGE_MAX_CHARS} characters of JSON`);
    fields.check(usage === undefined || record.tokens === undefined, "tokens", "cannot stand beside provider_usage");
    const entries = Object.entries(labels);
    fields.check(entries.length <= LIMITS.labelsMax, "labels", `must be at most ${LIMITS.labelsMax}`);
    for (const [name, value] of entries) {
      fields.check(LABEL_NAME.test(name), "labels", "names must be 1-63 characters of a-z 0-9 _ -");
      fields.text("labels", value, 0, LIMITS.labelValueMaxChars);
    }
  });
}

/** Counts as they are sent. */
export function tokensMessage({ inputUncached, cacheRead, cacheWrite, output, reasoning }: TokenCounts) {
  return {
    inputUncachedTokens: BigInt(inputUncached ?? 0),
    cacheReadTokens: BigInt(cacheRead ?? 0),
    cacheWriteTokens: BigInt(cacheWrite ?? 0),
    outputTokens: BigInt(output ?? 0),
    reasoningTokens: BigInt(reasoning ?? 0),
  };
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
