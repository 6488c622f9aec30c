import type { Mutation } from "../audit/mutation.ts";
import type { Clock } from "../base/clock.ts";
import { refuse } from "../base/errors.ts";
import { type KeyEvent, nextState } from "./next-state.ts";
import { type KeyRecord, type KeyRef, type KeyStanding, type KeyStore, keyName } from "./ports.ts";
import { nextProbeMs } from "./state-waits.ts";

/** So many changes of one key in a row, each between our look and our write, mean that something else is wrong. */
const TRIES_MAX = 5;

/** Who or what is behind a change of state, for the audit. */
export interface StateCause {
  /** The SPIFFE id of the caller; "service" for our own timers. */
  readonly caller: string;
  readonly actor: string;
  /** Facts about the cause, in words and ids of ours. */
  readonly details: Readonly<Record<string, string>>;
  readonly request?: Mutation["request"];
  /** Whether the audit is told although the state stays as it is. */
  readonly auditAlways: boolean;
}

/** What changing a key's state needs. */
export interface ChangeStateDeps {
  readonly keys: Pick<KeyStore, "find" | "setState">;
  readonly clock: Pick<Clock, "nowMs">;
}

/**
 * Lets an event change a key version's standing, durably. Returns the record as it is then; undefined when that version is no longer there, so that what
 * is told about an old key never hurts the new one. An event that changes nothing writes nothing. Throws ETAG_MISMATCH after five lost races, and what
 * the store throws.
 */
export async function changeState(
  { keys, clock }: ChangeStateDeps,
  ref: KeyRef,
  event: KeyEvent,
  cause: StateCause,
): Promise<KeyRecord | undefined> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const record = await keys.find(ref.account, ref.keyId);
    if (record?.version !== ref.version) return undefined;
    const nowMs = clock.nowMs();
    const current = standingOf(record);
    const standing = nextState(current, event, nowMs);
    if (standing === current && !cause.auditAlways) return record;
    const changed = standing.state !== record.state;
    const stored = await keys.setState(
      { ...ref, revision: record.revision, standing, probeDueMs: nextProbeMs(standing, nowMs) },
      changed || cause.auditAlways ? stateMutation(record, standing, cause, nowMs) : undefined,
    );
    if (stored !== "raced") return stored;
  }
  throw refuse("ETAG_MISMATCH", "The key changed again and again meanwhile. Read it, and try once more.");
}

function standingOf(record: KeyRecord): KeyStanding {
  const { state, stateReason, stateUntilMs, stateFrom, strikes, modelLimits, limits, verifyMs } = record;
  return {
    state,
    stateReason,
    ...(stateUntilMs === undefined ? {} : { stateUntilMs }),
    ...(stateFrom === undefined ? {} : { stateFrom }),
    ...(strikes === undefined ? {} : { strikes }),
    ...(modelLimits === undefined ? {} : { modelLimits }),
    ...(limits === undefined ? {} : { limits }),
    ...(verifyMs === undefined ? {} : { verifyMs }),
  };
}

function stateMutation(record: KeyRecord, standing: KeyStanding, cause: StateCause, timeMs: number): Mutation {
  const { account, keyId, provider, version, state: from } = record;
  return {
    audit: {
      kind: from === standing.state ? "key.verified" : "key.state-changed",
      timeMs,
      caller: cause.caller,
      actor: cause.actor,
      account,
      subject: keyName(account, keyId),
      details: { ...cause.details, provider, version: String(version), from, to: standing.state },
    },
    ...(cause.request === undefined ? {} : { request: cause.request }),
  };
}

/** A key's record as it is at `nowMs`: rate limits that are over do not show. */
export function recordAt(record: KeyRecord, nowMs: number): KeyRecord {
  const current = standingOf(record);
  const standing = nextState(current, { kind: "time" }, nowMs);
  if (standing === current) return record;
  const { account, keyId, provider, version, revision, source, createMs, hosts, lastUsedMs } = record;
  return {
    account,
    keyId,
    provider,
    version,
    revision,
    source,
    createMs,
    ...(hosts === undefined ? {} : { hosts }),
    ...(lastUsedMs === undefined ? {} : { lastUsedMs }),
    ...standing,
  };
}
