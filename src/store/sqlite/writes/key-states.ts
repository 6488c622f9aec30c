import type { Mutation } from "../../../audit/mutation.ts";
import type { KeyRecord, KeyRef, KeyStateChange } from "../../../keyvault/ports.ts";
import { KEY_COLUMNS, type KeyRow, toKeyRecord } from "../rows.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { noteKeyEvent } from "./account-events.ts";
import { toJson } from "./keys.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";
import { revokeAccountLeases } from "./revoke.ts";

const SELECT_KEY = `SELECT ${KEY_COLUMNS} FROM provider_key WHERE account = ? AND key_id = ?`;

const UPDATE_STATE = `UPDATE provider_key SET revision = revision + 1, state = ?, state_reason = ?, state_until_ms = ?, state_from = ?, strikes = ?,
  model_limits = ?, limit_usd_nano = ?, remaining_usd_nano = ?, limit_expire_ms = ?, verify_ms = ?, probe_due_ms = ?
  WHERE account = ? AND key_id = ? AND version = ? AND revision = ?`;

/** A new standing of a key, with its mutation. */
export interface SetKeyStateInput {
  readonly change: KeyStateChange;
  readonly mutation: Mutation | undefined;
}

/** Gives a key a new standing; "raced", with nothing written, when it is not at that version and revision any more. */
export function setKeyState(tx: WriteTransaction, { change, mutation }: SetKeyStateInput): KeyRecord | "raced" {
  const before = mutation === undefined ? undefined : priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as KeyRecord;
  const { account, keyId, version, revision, standing, probeDueMs } = change;
  const former = tx.get(SELECT_KEY, account, keyId) as KeyRow | undefined;
  const failsNow = hasFailed(standing.state) && !hasFailed(former?.state);
  const changed = tx.run(
    UPDATE_STATE,
    standing.state,
    standing.stateReason,
    standing.stateUntilMs ?? null,
    standing.stateFrom ?? "PROBE",
    standing.strikes ?? 0,
    toJson(standing.modelLimits),
    standing.limits?.limitUsdNano ?? null,
    standing.limits?.remainingUsdNano ?? null,
    standing.limits?.expireMs ?? null,
    standing.verifyMs ?? null,
    probeDueMs,
    account,
    keyId,
    version,
    revision,
  );
  if (changed === 0) return "raced";
  if (failsNow) revokeAccountLeases(tx, { account, keyId, keyVersion: version, cause: "KEY_FAILED" });
  const record = toKeyRecord(tx.get(SELECT_KEY, account, keyId) as KeyRow);
  noteKeyEvent(tx, former && toKeyRecord(former), record);
  if (mutation !== undefined) recordMutation(tx, mutation, record);
  return record;
}

/** States that only our own probe gives, and that no route is given in. */
function hasFailed(state: string | undefined): boolean {
  return state === "DEAD" || state === "BLOCKED";
}

/** A key version whose next probe is put off. */
export interface DeferKeyProbeInput {
  readonly key: KeyRef;
  readonly dueMs: number;
}

/** Puts off the next probe of a key version; one that is no longer there is passed over. */
export function deferKeyProbe(tx: WriteTransaction, { key, dueMs }: DeferKeyProbeInput): void {
  tx.run(
    "UPDATE provider_key SET probe_due_ms = ? WHERE account = ? AND key_id = ? AND version = ?",
    dueMs,
    key.account,
    key.keyId,
    key.version,
  );
}
