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

/** How many rows every table holds: two equal counts mean that nothing was written between, since nothing here is ever written without a row. */
export function countRows(dataDir: string): Readonly<Record<string, unknown>> {
  const tables = readRows(dataDir, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
  return Object.fromEntries(
    tables.map(({ name }) => [
      String(name),
      readRows(dataDir, `SELECT count(*) AS rows FROM "${String(name)}"`)[0]?.["rows"],
    ]),
  );
}
