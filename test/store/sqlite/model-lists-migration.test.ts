import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { knownMigrations } from "../../../src/store/sqlite/migrate.ts";
import { openWriter } from "../../../src/store/sqlite/open-database.ts";
import { openSqlite } from "../../../src/store/sqlite/open-sqlite.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const DAY_MS = 86_400_000;

test("lists of keys from before there were lists are fetched over the day to come, what everybody is told at once, plori's own never", async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const db = openWriter(path);
  db.exec(
    "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, breaking INTEGER NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
  );
  for (const { number, name, sql } of knownMigrations().filter((migration) => migration.number < 10)) {
    db.prepare("INSERT INTO migration VALUES (?, ?, 0, 0)").run(number, name);
    db.exec(sql);
  }
  const insert = db.prepare(
    `INSERT INTO provider_key (account, key_id, provider, version, revision, source, state, state_reason, create_ms,
      data_key_id, data_key_version, sealed) VALUES (?, ?, ?, 3, 1, 'PASTED', 'ACTIVE', '', 1, 'records', 1, x'00')`,
  );
  for (let index = 0; index < 200; index += 1) insert.run(`acct-${index}`, "openai", "openai");
  for (const account of ["acct-1", "acct-2", "platform"]) insert.run(account, "openrouter", "openrouter");
  insert.run("platform", "openai", "openai");
  db.close();

  const startMs = Date.now();
  const store = await openSqlite(path, systemClock, silentLog);
  const due = async (atMs: number) => store.modelListStore.due(atMs, 500);
  expect(await due(0)).toEqual([
    { account: "", keyId: "openrouter", provider: "openrouter", version: 0, failures: 0, isFirst: true },
  ]);
  expect((await due(startMs + 3_600_000)).length).toBeLessThan(50);
  const all = await due(startMs + DAY_MS + 60_000);
  expect(all).toHaveLength(201);
  expect(all.filter(({ account }) => account === "platform")).toEqual([]);
  expect(all.filter(({ account }) => account === "acct-7")).toMatchObject([{ keyId: "openai", version: 3 }]);
  await store.close();
  directory.remove();
});
