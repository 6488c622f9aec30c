import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bearFullDisk, makeRoomToOpen } from "../../src/app/storage.ts";
import { refuse } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import { createBallast } from "../../src/store/sqlite/ballast.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const MIB = 1024 * 1024;
let directory: ReturnType<typeof temporaryDirectory>;
let databasePath: string;
beforeEach(() => {
  directory = temporaryDirectory();
  databasePath = join(directory.path, "plori.db");
});
afterEach(() => directory.remove());

test("a start gives up the ballast when there is no room to open the database, and keeps it otherwise", async () => {
  const config = { databasePath, ballastBytes: MIB };
  await createBallast(`${databasePath}.ballast`, MIB).make();
  await makeRoomToOpen(config, silentLog);
  expect(existsSync(`${databasePath}.ballast`)).toBe(true);
  await makeRoomToOpen(config, silentLog, async () => 4096);
  expect(existsSync(`${databasePath}.ballast`)).toBe(false);
  await makeRoomToOpen(config, silentLog, async () => 4096);
});

test("a start bears a full disk, and nothing else", () => {
  bearFullDisk(refuse("STORAGE_FULL", "full"));
  const other = refuse("DRAINING", "over");
  expect(() => bearFullDisk(other)).toThrow(other);
});
