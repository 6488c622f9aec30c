import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { knownMigrations } from "../../../src/store/sqlite/migrate.ts";
import { openWriter } from "../../../src/store/sqlite/open-database.ts";
import { openSqlite } from "../../../src/store/sqlite/open-sqlite.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

test("data keys from before seals were counted start with every version that the account ever had", async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const db = openWriter(path);
  db.exec(
    "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, breaking INTEGER NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
  );
  for (const { number, name, sql } of knownMigrations().filter((migration) => migration.number < 12)) {
    db.prepare("INSERT INTO migration VALUES (?, ?, 0, 0)").run(number, name);
    db.exec(sql);
  }
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
