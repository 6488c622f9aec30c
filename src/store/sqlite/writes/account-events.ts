import type { KeyRecord } from "../../../keyvault/ports.ts";
import type { AccountEvent } from "../../../ledger/account-event.ts";
import { ACCOUNT_EVENT_COLUMNS, accountEventValues } from "../account-event-rows.ts";
import type { WriteTransaction } from "../write-transaction.ts";

const INSERT_EVENT = `INSERT INTO account_event (${ACCOUNT_EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq`;
/** Events that one command forgets. */
const PRUNED_MAX = 1_000;

/** Keeps an event in the current transaction, and has those who watch told of it once it is durable. */
export function noteAccountEvent(tx: WriteTransaction, event: AccountEvent): void {
  tx.dirty = true;
  const { seq } = tx.get(INSERT_EVENT, tx.nowMs, ...accountEventValues(event)) as { seq: bigint };
  tx.news.note({ feed: "account-events", topic: event.account, seq });
}

/** Keeps that a key's state changed, if it did. Undefined: there was no key, or there is none any more. */
export function noteKeyEvent(tx: WriteTransaction, before: KeyRecord | undefined, after: KeyRecord | undefined): void {
  const key = after ?? before;
  if (key === undefined || before?.state === after?.state) return;
  noteAccountEvent(tx, {
    kind: "KEY_STATE_CHANGED",
    account: key.account,
    keyId: key.keyId,
    provider: key.provider,
    version: key.version,
    oldState: before?.state,
    newState: after?.state,
    stateReason: after?.stateReason ?? "",
    stateUntilMs: after?.stateUntilMs,
  });
}

/** Which events to forget: those of before a time, and those beyond the newest so many. */
export interface PruneEventsInput {
  readonly beforeMs: number;
  readonly keep: number;
}

/** Forgets the oldest events, some at a time. Returns how many. */
export function pruneAccountEvents(tx: WriteTransaction, { beforeMs, keep }: PruneEventsInput): number {
  const newest = tx.get(
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'account_event'), 0) AS seq",
  ) as {
    seq: bigint;
  };
  const last = newest.seq - BigInt(keep);
  const oldest = tx.all("SELECT seq, time_ms AS timeMs FROM account_event ORDER BY seq LIMIT ?", PRUNED_MAX) as {
    seq: bigint;
    timeMs: bigint;
  }[];
  // Recorded time never runs backwards, so that the oldest events stand first.
  const doomed = oldest.filter(({ seq, timeMs }) => seq <= last || timeMs < beforeMs);
  const base = doomed.at(-1);
  if (base === undefined) return 0;
  tx.run("UPDATE account_event_base SET seq = ?", base.seq);
  tx.run("DELETE FROM account_event WHERE seq <= ?", base.seq);
  return doomed.length;
}
