import { join } from "node:path";
import Database from "better-sqlite3";

/** A row as it lies there. */
export type Row = Readonly<Record<string, unknown>>;

/** Reads the service's database from outside, while it runs or after its end; nothing is changed. */
export function readRows(dataDir: string, sql: string, ...params: readonly (string | number)[]): readonly Row[] {
  const db = new Database(join(dataDir, "plori.db"), { readonly: true });
  try {
    return db.prepare<unknown[], Row>(sql).all(...params);
  } finally {
    db.close();
  }
}

/** What the service writes by itself, whenever it comes to it: rows that no caller causes. */
const OWN_WORK: Readonly<Record<string, string>> = {
  audit: "caller <> 'service'",
  audit_checkpoint: "0",
  audit_posting: "0",
  audit_segment: "0",
  audit_signing_key: "0",
  audit_state: "0",
  data_key: "account <> '~audit'",
};

/**
 * How many rows every table holds, without what the service writes by itself: two equal counts mean that nothing was written for a caller between, since nothing
 * here is ever written without a row.
 */
export function countRows(dataDir: string): Readonly<Record<string, unknown>> {
  const tables = readRows(dataDir, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
  return Object.fromEntries(
    tables.map(({ name }) => {
      const table = String(name);
      const sql = `SELECT count(*) AS rows FROM "${table}" WHERE ${OWN_WORK[table] ?? "1"}`;
      return [table, readRows(dataDir, sql)[0]?.["rows"]];
    }),
  );
}
