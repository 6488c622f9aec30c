import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { knownMigrations } from "../../../src/store/sqlite/migrate.ts";
import { openWriter } from "../../../src/store/sqlite/open-database.ts";
import { openSqlite } from "../../../src/store/sqlite/open-sqlite.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

/** A database as it was before migration 12. */
function openOlder(path: string) {
  const db = openWriter(path);
  db.exec(
    "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, breaking INTEGER NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
  );
  for (const { number, name, sql } of knownMigrations().filter((migration) => migration.number < 12)) {
    db.prepare("INSERT INTO migration VALUES (?, ?, 0, 0)").run(number, name);
    db.exec(sql);
  }
  return db;
}

test("data keys from before seals were counted start with every version that the account ever had", async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const db = openOlder(path);
  const addDataKey = db.prepare("INSERT INTO data_key VALUES (?, ?, 1, 'arn', x'00', 0)");
  for (const [account, id] of [
    ["a1", "records"],
    ["a2", "records"],
    ["a1", "fingerprints"],
  ]) {
    addDataKey.run(account, id);
  }
  db.exec("INSERT INTO key_version VALUES ('a1', 'openai', 7), ('a1', 'groq', 2)");
  db.close();

  const store = await openSqlite(path, systemClock, silentLog);
  expect(await store.vault.mostSeals()).toBe(9);
  await store.close();
  const after = openWriter(path);
  const counts = after.prepare(
    "SELECT account || ' ' || data_key_id AS name, seal_count AS n FROM data_key ORDER BY name",
  );
  expect(counts.all()).toEqual([
    { name: "a1 fingerprints", n: 0n },
    { name: "a1 records", n: 9n },
    { name: "a2 records", n: 0n },
  ]);
  after.close();
  directory.remove();
});

test("a migration that fails leaves the database as it was, and is done whole by a later start", async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const db = openOlder(path);
  // The last statement of the migration fails on this.
  db.exec("CREATE INDEX data_key_worn ON data_key (account)");
  db.close();
  await expect(openSqlite(path, systemClock, silentLog)).rejects.toThrow("data_key_worn");
  const after = openWriter(path);
  expect(after.prepare("SELECT max(number) FROM migration").pluck().get()).toBeLessThan(12n);
  expect(
    after.prepare("SELECT count(*) FROM pragma_table_info('data_key') WHERE name = 'seal_count'").pluck().get(),
  ).toBe(0n);
  after.exec("DROP INDEX data_key_worn");
  after.close();
  const store = await openSqlite(path, systemClock, silentLog);
  expect(await store.vault.mostSeals()).toBe(0);
  await store.close();
  directory.remove();
});
