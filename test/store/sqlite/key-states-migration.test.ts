import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { knownMigrations } from "../../../src/store/sqlite/migrate.ts";
import { openWriter } from "../../../src/store/sqlite/open-database.ts";
import { openSqlite } from "../../../src/store/sqlite/open-sqlite.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const DAY_MS = 86_400_000;

test("keys from before key states keep what is known of them, and are probed spread over the day to come", async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const db = openWriter(path);
  db.exec(
    "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, breaking INTEGER NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
  );
  for (const { number, name, sql } of knownMigrations().filter((migration) => migration.number < 5)) {
    db.prepare("INSERT INTO migration VALUES (?, ?, 0, 0)").run(number, name);
    db.exec(sql);
  }
  const insert = db.prepare(
    `INSERT INTO provider_key (account, key_id, provider, version, revision, source, state, state_reason, state_until_ms, create_ms,
      data_key_id, data_key_version, sealed) VALUES (?, 'openai', 'openai', 1, 1, 'PASTED', 'EXHAUSTED', 'empty', 5, 1, 'records', 1, x'00')`,
  );
  for (let index = 0; index < 200; index += 1) insert.run(`acct-${index}`);
  db.close();

  const startMs = Date.now();
  const store = await openSqlite(path, systemClock, silentLog);
  expect(await store.keys.find("acct-7", "openai")).toEqual({
    account: "acct-7",
    keyId: "openai",
    provider: "openai",
    version: 1,
    revision: 1,
    source: "PASTED",
    state: "EXHAUSTED",
    stateReason: "empty",
    stateUntilMs: 5,
    createMs: 1,
  });
  expect((await store.keys.dueProbes(startMs + 3_600_000, 500)).length).toBeLessThan(50);
  expect(await store.keys.dueProbes(startMs + DAY_MS + 60_000, 500)).toHaveLength(200);
  await store.close();
  directory.remove();
});
