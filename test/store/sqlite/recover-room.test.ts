import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "../../../src/base/log.ts";
import { createBallast } from "../../../src/store/sqlite/ballast.ts";
import { hasRoom } from "../../../src/store/sqlite/has-room.ts";
import { type Connection, openWriter } from "../../../src/store/sqlite/open-database.ts";
import { type RecoverRoomDeps, recoverRoom } from "../../../src/store/sqlite/recover-room.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const MIB = 1024 * 1024;
let directory: ReturnType<typeof temporaryDirectory>;
let path: string;
beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, "plori.db.ballast");
});
afterEach(() => directory.remove());

describe("the ballast", () => {
  test("takes real room of the size it was told, once, and gives it back when it is spent", async () => {
    const ballast = createBallast(path, 3 * MIB);
    expect(await ballast.make()).toBe(true);
    const { size, blocks, mtimeMs } = statSync(path);
    expect(size).toBe(3 * MIB);
    expect(blocks * 512).toBeGreaterThanOrEqual(3 * MIB);
    expect(await ballast.make()).toBe(true);
    expect(statSync(path).mtimeMs).toBe(mtimeMs);
    expect(await ballast.spend()).toBe(true);
    expect(existsSync(path)).toBe(false);
    expect(await ballast.spend()).toBe(false);
  });

  test("is made anew when a process died while making it, and when its size was set otherwise; none is kept at 0", async () => {
    writeFileSync(path, "half of it");
    await createBallast(path, MIB).make();
    expect(statSync(path).size).toBe(MIB);
    await createBallast(path, 2 * MIB).make();
    expect(statSync(path).size).toBe(2 * MIB);
    expect(await createBallast(path, 0).make()).toBe(false);
    expect(existsSync(path)).toBe(false);
  });

  test("is not made where it would take most of the room", async () => {
    const ballast = createBallast(path, Number.MAX_SAFE_INTEGER);
    expect(await ballast.make()).toBe(false);
    expect(existsSync(path)).toBe(false);
  });
});

test("whether there is room is found out by a durable write that changes nothing", () => {
  const db: Connection = openWriter(join(directory.path, "test.db"));
  db.exec("CREATE TABLE t (x INTEGER)");
  db.pragma("wal_checkpoint(TRUNCATE)");
  expect(hasRoom(db)).toBe(true);
  expect(statSync(join(directory.path, "test.db-wal")).size).toBeGreaterThan(4096);
  db.close();
  // A connection that lost its file has another trouble than want of room.
  expect(() => hasRoom(db)).toThrow();
});

/** A full disk with `free` bytes left, told in numbers. What happens is written down. */
function fullDisk(free: number, ballastBytes: number) {
  const log: string[] = [];
  let listener = (): void => {};
  let turn = Promise.withResolvers<void>();
  const disk = {
    log,
    free,
    hasBallast: ballastBytes > 0,
    isFull: false,
    logCut: false,
    /** Lets the next wait end, and returns when it has been begun. */
    async nextTry(): Promise<void> {
      const { resolve } = turn;
      turn = Promise.withResolvers<void>();
      resolve();
      await new Promise((done) => setImmediate(done));
    },
    meet(): void {
      disk.isFull = true;
      listener();
    },
  };
  const deps: RecoverRoomDeps = {
    writer: {
      get isFull() {
        return disk.isFull;
      },
      onFull(added) {
        listener = added;
      },
      async truncateLog() {
        log.push("cut");
        disk.logCut = disk.free > 0;
        return disk.logCut;
      },
      async probe() {
        log.push("probe");
        if (disk.free < 100) return false;
        disk.isFull = false;
        return true;
      },
    },
    ballast: {
      bytes: ballastBytes,
      makingBytes: ballastBytes * 1.5,
      async make() {
        log.push("make");
        if (ballastBytes === 0 || disk.free < ballastBytes * 1.5) return false;
        disk.hasBallast = true;
        disk.free -= ballastBytes;
        return true;
      },
      async spend() {
        if (!disk.hasBallast) return false;
        log.push("spend");
        disk.hasBallast = false;
        disk.free += ballastBytes;
        return true;
      },
    },
    path: "nowhere",
    log: silentLog,
    freeBytes: async () => disk.free,
    wait: (ms, signal) => {
      log.push(`wait ${ms}`);
      signal.addEventListener("abort", () => turn.resolve(), { once: true });
      return turn.promise;
    },
  };
  return { disk, recovery: recoverRoom(deps) };
}

const settled = () => new Promise((done) => setImmediate(done));

test("on a full disk the ballast goes first, then the log is cut, and nothing is written until the ballast fits in again", async () => {
  const { disk, recovery } = fullDisk(0, 8 * MIB);
  disk.meet();
  await settled();
  // The ballast's own room is there now, and is not what is waited for.
  expect(disk.log).toEqual(["spend", "cut", "wait 250"]);
  await disk.nextTry();
  expect(disk.log).toEqual(["spend", "cut", "wait 250", "wait 500"]);
  disk.free += 10 * MIB;
  await disk.nextTry();
  expect(disk.log.slice(4)).toEqual(["probe", "make"]);
  expect(disk).toMatchObject({ isFull: false, hasBallast: true });
  await recovery.stop();
});

test("without a ballast it is tried by itself too, with waits that stop growing at five seconds, one look or write a wait", async () => {
  const { disk, recovery } = fullDisk(0, 0);
  disk.meet();
  await settled();
  for (let i = 0; i < 7; i += 1) await disk.nextTry();
  const waits = disk.log.filter((entry) => entry.startsWith("wait"));
  expect(waits.slice(0, 8)).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000].map((ms) => `wait ${ms}`));
  expect(disk.log).not.toContain("probe");
  disk.free = 2 * MIB;
  await disk.nextTry();
  expect(disk.log.slice(-2)).toEqual(["probe", "make"]);
  expect(disk.isFull).toBe(false);
  await recovery.stop();
});

test("a disk that fills up again while it recovers is waited for again, and stopping ends the waiting", async () => {
  const { disk, recovery } = fullDisk(2 * MIB, 0);
  disk.meet();
  disk.meet();
  await settled();
  expect(disk.isFull).toBe(false);
  disk.free = 0;
  disk.meet();
  await settled();
  expect(disk.log.at(-1)).toBe("wait 250");
  await recovery.stop();
  expect(disk.isFull).toBe(true);
});
