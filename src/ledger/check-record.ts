import type { FieldViolation, Refusal } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import type { TokenCounts, UsageRecord, Used } from "./usage-record.ts";

/** The longest text that a provider's usage object may have as JSON. */
export const PROVIDER_USAGE_MAX_CHARS = 8_192;
/** The most tries of one call. */
const ATTEMPT_MAX = 10_000;
const HOLD_NAME_MAX_CHARS = 300;
const LABEL_NAME = /^[a-z0-9_-]{1,63}$/;

/** Everything that is wrong with a record by itself, all at once; empty when nothing is. Its time is looked at by `checkOccurTime`. */
export function checkRecord(record: UsageRecord): readonly FieldViolation[] {
  const checker = new FieldChecker();
  checker.externalId("usage_id", record.usageId);
  checker.id("account", record.account);
  checker.id("agent", record.agent);
  checker.check(record.occurMs !== undefined, "occur_time", "is missing");
  checkLabels(checker, record.labels);
  if (record.used === undefined) {
    checker.check(false, "kind", "is missing: set model_call, compute or disk");
  } else {
    checkUsed(checker, record.used);
  }
  return checker.violations;
}

/** What is wrong with when a record happened, as seen at `nowMs`: empty when nothing is. */
export function checkOccurTime(record: UsageRecord, nowMs: number): readonly FieldViolation[] {
  const { occurMs } = record;
  if (occurMs === undefined) return [];
  const tooOld = occurMs < nowMs - LIMITS.occurPastMaxMs;
  const tooNew = occurMs > nowMs + LIMITS.occurFutureMaxMs;
  if (!tooOld && !tooNew) return [];
  return [{ field: "occur_time", description: "must be at most 35 days ago and 5 minutes ahead" }];
}

/** The refusal of a record with these violations. */
export function invalidRecord(violations: readonly FieldViolation[]): Refusal {
  const listed = violations.slice(0, 5).map(({ field, description }) => `${field} ${description}`);
  return { reason: "FIELDS_INVALID", message: `Invalid record: ${listed.join("; ")}.`, violations };
}

function checkLabels(checker: FieldChecker, labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  if (entries.length > LIMITS.labelsMax) {
    checker.check(false, "labels", `must be at most ${LIMITS.labelsMax}`);
    return;
  }
  for (const [name, value] of entries) {
    if (LABEL_NAME.test(name)) checker.text(`labels[${name}]`, value, 0, LIMITS.labelValueMaxChars);
    else checker.check(false, "labels", `names must be 1-${LIMITS.labelNameMaxChars} characters of a-z 0-9 _ -`);
  }
}

function checkUsed(checker: FieldChecker, used: Used): void {
  switch (used.kind) {
    case "MODEL_CALL":
      checkModelCall(checker, used);
      break;
    case "COMPUTE":
      checkQuantity(checker, "compute.vcpu_milliseconds", used.vcpuMilliseconds);
      checkQuantity(checker, "compute.memory_mib_milliseconds", used.memoryMibMilliseconds);
      break;
    case "DISK":
      checkQuantity(checker, "disk.byte_seconds", used.byteSeconds, LIMITS.byteSecondsMax);
      break;
    default:
      used satisfies never;
  }
}

function checkModelCall(checker: FieldChecker, call: Extract<Used, { kind: "MODEL_CALL" }>): void {
  switch (call.authority.kind) {
    case "none":
      checker.check(false, "model_call.authority", "is missing: set route or hold");
      break;
    case "route":
      checker.id("model_call.route", call.authority.routeId);
      break;
    case "hold":
      checker.text("model_call.hold", call.authority.name, 1, HOLD_NAME_MAX_CHARS);
      break;
    default:
      call.authority satisfies never;
  }
  checker.externalId("model_call.call_id", call.callId);
  checker.check(
    Number.isInteger(call.attempt) && call.attempt >= 0 && call.attempt <= ATTEMPT_MAX,
    "model_call.attempt",
    `must be 0-${ATTEMPT_MAX}`,
  );
  checker.check(call.outcome !== undefined, "model_call.outcome", "is not one that is known");
  checker.text("model_call.provider_request_id", call.providerRequestId, 0, LIMITS.providerRequestIdMaxChars);
  if (call.usage.kind === "tokens") {
    checkTokens(checker, "model_call.tokens", call.usage.tokens);
  } else if (call.usage.kind === "provider") {
    checker.check(
      JSON.stringify(call.usage.usage).length <= PROVIDER_USAGE_MAX_CHARS,
      "model_call.provider_usage",
      `must be at most ${PROVIDER_USAGE_MAX_CHARS} characters of JSON`,
    );
  }
}

/** Notes which counts under `path` cannot be. */
export function checkTokens(checker: FieldChecker, path: string, tokens: TokenCounts): void {
  checkQuantity(checker, `${path}.input_uncached_tokens`, tokens.inputUncached);
  checkQuantity(checker, `${path}.cache_read_tokens`, tokens.cacheRead);
  checkQuantity(checker, `${path}.cache_write_tokens`, tokens.cacheWrite);
  checkQuantity(checker, `${path}.output_tokens`, tokens.output);
  checkQuantity(checker, `${path}.reasoning_tokens`, tokens.reasoning);
}

function checkQuantity(checker: FieldChecker, field: string, quantity: bigint, max: bigint = LIMITS.quantityMax): void {
  checker.check(quantity >= 0n && quantity <= max, field, `must be 0-${max}`);
}
