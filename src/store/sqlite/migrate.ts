import { readdirSync, readFileSync } from "node:fs";
import type { Connection } from "./open-database.ts";

const MIGRATIONS_DIR = new URL("./migrations/", import.meta.url);
const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;
/** First line of a migration after which older binaries must not touch the database. */
const BREAKING_MARK = "--! breaking-change";

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly breaking: boolean;
}

/** The migrations that this binary knows, in order. */
export function knownMigrations(): readonly Migration[] {
  return readdirSync(MIGRATIONS_DIR)
    .filter((name) => FILE_NAME.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(new URL(name, MIGRATIONS_DIR), "utf8");
      return { number: Number(name.slice(0, 4)), name, sql, breaking: sql.startsWith(BREAKING_MARK) };
    });
}

/**
 * Brings the database to the newest schema that this binary knows, each migration in its own transaction. Throws when the database holds a
 * breaking migration that this binary does not know: an old binary would misread what a newer one wrote.
 */
export function migrate(db: Connection, nowMs: number): void {
  db.exec(
    "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, breaking INTEGER NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
  );
  const migrations = knownMigrations();
  const newestKnown = migrations.at(-1)?.number ?? 0;
  const newer = db
    .prepare("SELECT name FROM migration WHERE number > ? AND breaking = 1 ORDER BY number LIMIT 1")
    .get(newestKnown);
  if (newer !== undefined) {
    throw new Error(
      `the database was changed by a newer version of this service (migration ${(newer as { name: string }).name}): run that version, or a newer one`,
    );
  }
  for (const migration of migrations) {
    db.transaction(() => {
      // The row comes first: two processes that start at once meet here, not halfway through the schema.
      const inserted = db
        .prepare("INSERT OR IGNORE INTO migration (number, name, breaking, applied_ms) VALUES (?, ?, ?, ?)")
        .run(migration.number, migration.name, migration.breaking ? 1 : 0, nowMs);
      if (inserted.changes === 1) db.exec(migration.sql);
    }).immediate();
  }
}
