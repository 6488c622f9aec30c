import { Bell } from "../../base/bell.ts";
import type { Revocation, RevocationCause, RevocationLog } from "../../router/revocation-ports.ts";
import type { Connection } from "./open-database.ts";
import type { Writer } from "./writer.ts";

interface RevocationRow {
  readonly seq: bigint;
  readonly account: string;
  readonly agent: string;
  readonly keyId: string;
  readonly keyVersion: bigint;
  readonly cause: string;
  readonly timeMs: bigint;
}

/** Revocations in SQLite, and the bell that rings when the writing thread has committed one. */
export function createRevocationStore(
  reader: Connection,
  writer: Writer,
): { readonly revocations: RevocationLog; readonly revocationNews: Bell } {
  // SQLite keeps the highest number that it ever gave out, also when every row is gone.
  const selectNewest = reader.prepare(
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'revocation'), 0) AS seq",
  );
  const selectBase = reader.prepare("SELECT seq FROM revocation_base");
  const selectAfter = reader.prepare(
    "SELECT seq, account, agent, key_id AS keyId, key_version AS keyVersion, cause, time_ms AS timeMs FROM revocation " +
      "WHERE host = ? AND seq > ? ORDER BY seq LIMIT ?",
  );
  const newest = (): bigint => (selectNewest.get() as { seq: bigint }).seq;
  const bell = new Bell(newest());
  writer.onNews("revocations", ({ topic, seq }) => bell.ring(topic, seq));
  return {
    revocationNews: bell,
    revocations: {
      newest: async () => newest(),
      async after(host, seq, limit) {
        const rows = selectAfter.all(host, seq, limit) as RevocationRow[];
        // Looked at after the rows: what is forgotten between the two is noticed.
        if (seq < (selectBase.get() as { seq: bigint }).seq) return "forgotten";
        return rows.map(toRevocation);
      },
      async sweep() {
        while (await writer.submit("sweepRevocations", undefined));
      },
    },
  };
}

function toRevocation(row: RevocationRow): Revocation {
  return {
    ...row,
    keyVersion: Number(row.keyVersion),
    // Written by this service alone.
    cause: row.cause as RevocationCause,
    timeMs: Number(row.timeMs),
  };
}
