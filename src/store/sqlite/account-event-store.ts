import { Bell } from "../../base/bell.ts";
import { type AccountEventLog, type AccountEventNews, EVERY_ACCOUNT } from "../../ledger/account-event-ports.ts";
import { ACCOUNT_EVENT_COLUMNS, type StoredEventRow, toAccountEvent } from "./account-event-rows.ts";
import type { Connection } from "./open-database.ts";
import type { Writer } from "./writer.ts";

/** Events about accounts in SQLite, and the bell that rings when the writing thread has committed one. */
export function createAccountEventStore(
  reader: Connection,
  writer: Writer,
): { readonly accountEvents: AccountEventLog; readonly accountEventNews: AccountEventNews } {
  // SQLite keeps the highest number that it ever gave out, also when every row is gone.
  const selectNewest = reader
    .prepare("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'account_event'), 0)")
    .pluck();
  const selectBase = reader.prepare("SELECT seq FROM account_event_base").pluck();
  const selectAfter = reader.prepare(
    `SELECT seq, ${ACCOUNT_EVENT_COLUMNS} FROM account_event WHERE seq > ? ORDER BY seq LIMIT ?`,
  );
  const newest = (): bigint => selectNewest.get() as bigint;
  const bell = new Bell(newest());
  writer.onNews("account-events", ({ topic, seq }) => {
    bell.ring(topic, seq);
    bell.ring(EVERY_ACCOUNT, seq);
  });
  return {
    accountEventNews: bell,
    accountEvents: {
      newest: async () => newest(),
      async after(seq, limit) {
        const rows = selectAfter.all(seq, limit) as StoredEventRow[];
        // Looked at after the rows: what is forgotten between the two is noticed.
        if (seq < (selectBase.get() as bigint)) return "forgotten";
        return rows.map(toAccountEvent);
      },
      prune: (beforeMs, keep) => writer.submit("pruneAccountEvents", { beforeMs, keep }),
    },
  };
}
