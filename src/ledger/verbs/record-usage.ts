import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { refuse } from "../../base/errors.ts";
import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import type { Caller } from "../../identity/roles.ts";
import type { LedgerStore } from "../ports.ts";
import { recordText } from "../record-text.ts";
import type { Recorder, RecordResult, UsageRecord } from "../usage-record.ts";

const METHOD = "plori.ledger.v1.LedgerService/RecordUsage";

/** What recording usage needs. */
export interface RecordUsageDeps {
  readonly ledger: Pick<LedgerStore, "recordUsage">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Usage to record. */
export interface RecordUsageInput {
  readonly records: readonly UsageRecord[];
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Records usage, durably. Each record is judged alone: a bad one is rejected and the rest land. Returns one result for each, in order.
 * The request as a whole is refused for its envelope only: FIELDS_INVALID (no record, more than 500, request id, actor), REQUEST_ID_CONFLICT,
 * and what the store throws.
 */
export async function recordUsage(
  deps: RecordUsageDeps,
  { records, requestId, actor }: RecordUsageInput,
  caller: Caller,
): Promise<readonly RecordResult[]> {
  const fields = new FieldChecker();
  const { usageRecordsMax } = LIMITS;
  fields.check(records.length >= 1 && records.length <= usageRecordsMax, "records", `must be 1-${usageRecordsMax}`);
  fields.requestId(requestId);
  fields.actor(actor);
  fields.done();
  const request =
    requestId === ""
      ? undefined
      : requestKey(requestId, caller, METHOD, "", {
          records: hashField(...records.flatMap((record) => [record.account, record.usageId, recordText(record)])),
          actor: hashField(actor),
        });
  return deps.ledger.recordUsage(records, toRecorder(caller), {
    audit: {
      kind: "usage.recorded",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor,
      account: soleAccount(records),
      subject: records.length === 1 ? `usage/${records[0]?.usageId ?? ""}` : "usage",
      details: { records: String(records.length) },
    },
    ...(request === undefined ? {} : { request }),
  });
}

function toRecorder({ role, name }: Caller): Recorder {
  if (role === "agent-host" || role === "recorder") return { role, host: name };
  throw refuse("ROLE_NOT_ALLOWED", `The role ${role} may not record usage.`, { role });
}

/** The account, when all records are of one; empty otherwise, and when it is no account at all. */
function soleAccount(records: readonly UsageRecord[]): string {
  const account = records[0]?.account ?? "";
  return account.length <= LIMITS.idMaxChars && records.every((record) => record.account === account) ? account : "";
}
