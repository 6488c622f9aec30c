import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { assertDurable, openWriter } from "../../../src/store/sqlite/open-database.ts";
import { openSqlite } from "../../../src/store/sqlite/open-sqlite.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let path: string;
beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, "plori.db");
});
afterEach(() => directory.remove());

test("a reopened database writes with synchronous=FULL, which is read back", () => {
  openWriter(path).close();
  const db = openWriter(path);
  expect(db.pragma("synchronous", { simple: true })).toBe(2n);
  expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
  db.close();
});

test("a connection that slipped to synchronous=NORMAL is refused", () => {
  const db = openWriter(path);
  db.pragma("synchronous = NORMAL");
  expect(() => assertDurable(db)).toThrow(/synchronous=FULL/);
  db.close();
});

test("a second opening of the same database is refused, naming the process that has it", async () => {
  const store = await openSqlite(path, systemClock, silentLog);
  await expect(openSqlite(path, systemClock, silentLog)).rejects.toThrow(`in use by process ${process.pid}`);
  await store.close();
  const again = await openSqlite(path, systemClock, silentLog);
  await again.close();
});

test("a lock that cannot be taken for another reason than another process does not send anybody looking for one", async () => {
  writeFileSync(`${path}.lock`, "no database at all, but something else of some length".repeat(20));
  const opening = openSqlite(path, systemClock, silentLog);
  await expect(opening).rejects.toThrow("cannot be locked: file is not a database");
});

test("a second process is refused, and a killed one leaves no lock behind", async () => {
  const script = `
    const { openSqlite } = await import(${JSON.stringify(new URL("../../../src/store/sqlite/open-sqlite.ts", import.meta.url).href)});
    const { systemClock } = await import(${JSON.stringify(new URL("../../../src/base/clock.ts", import.meta.url).href)});
    const { silentLog } = await import(${JSON.stringify(new URL("../../../src/base/log.ts", import.meta.url).href)});
    await openSqlite(${JSON.stringify(path)}, systemClock, silentLog);
    process.stdout.write("open");
    setInterval(() => {}, 1000);
  `;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  await expect(openSqlite(path, systemClock, silentLog)).rejects.toThrow(`in use by process ${holder.pid}`);
  const gone = once(holder, "exit");
  holder.kill("SIGKILL");
  await gone;
  const store = await openSqlite(path, systemClock, silentLog);
  await store.close();
});
