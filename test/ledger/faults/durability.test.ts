import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../../src/base/log.ts";
import { openReader, openWriter } from "../../../src/store/sqlite/open-database.ts";
import { openSqlite } from "../../../src/store/sqlite/open-sqlite.ts";
import { testMutation } from "../../support/mutation.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { digestOf, linesOfLedger } from "../digest.ts";
import { RECORDER, recordOf } from "../fixtures.ts";
import { type OpenLedger, openLedger } from "../open-ledger.ts";
import { readDump } from "../sqlite-tables.ts";

let open: OpenLedger;
let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(async () => {
  open = await openLedger();
  directory = temporaryDirectory();
});
afterEach(async () => {
  await open.close();
  directory.remove();
});

function copyFiles(name: string): string {
  const copy = join(directory.path, name);
  for (const suffix of ["", "-wal"]) copyFileSync(`${open.path}${suffix}`, `${copy}${suffix}`);
  return copy;
}

function digestAt(path: string): string {
  const db = openReader(path);
  try {
    return digestOf(linesOfLedger(readDump(db)));
  } finally {
    db.close();
  }
}

test("what lies in the database's files at the moment of an acknowledgement opens with every acknowledged record, whatever is under way then", async () => {
  await open.grant(1_000_000n);
  const copies: { readonly path: string; readonly acknowledged: readonly string[] }[] = [];
  const acknowledged: string[] = [];
  await Promise.all(
    Array.from({ length: 4 }, async (_, writer) => {
      for (let n = 0; n < 6; n += 1) {
        const usageId = `u${writer}-${n}`;
        await open.disk(usageId, 3n);
        // From here on nothing of ours runs until the copy is taken, but the writing thread may be in the middle of the next commit.
        acknowledged.push(usageId);
        if (n % 3 === 0) copies.push({ path: copyFiles(`copy-${writer}-${n}.db`), acknowledged: [...acknowledged] });
      }
    }),
  );
  expect(copies.length).toBe(8);
  for (const { path, acknowledged: expected } of copies) {
    const store = await openSqlite(path, open.clock, silentLog);
    const kept = new Set((await store.ledger.chargesAfter("a1", 0, 500)).map(({ usageId }) => usageId));
    expect(expected.filter((usageId) => !kept.has(usageId))).toEqual([]);
    const verified = await Array.fromAsync(store.ledger.verify("a1", "", new AbortController().signal));
    expect(verified.flatMap(({ differences }) => differences)).toEqual([]);
    await store.close();
  }
}, 60_000);

const hasStrace = spawnSync("strace", ["-V"]).status === 0;

test.skipIf(!hasStrace)(
  "every acknowledged commit was flushed to the disk before: the kernel sees a flush of the log for each",
  async () => {
    const COMMITS = 20;
    const trace = join(directory.path, "trace");
    const url = (path: string): string => JSON.stringify(pathToFileURL(join(import.meta.dirname, "../..", path)).href);
    const script = `
    const { openLedger } = await import(${url("ledger/open-ledger.ts")});
    const open = await openLedger();
    for (let n = 0; n < ${COMMITS}; n += 1) await open.disk("u" + n, 1n);
    await open.close();
  `;
    const { status, stderr } = spawnSync(
      "strace",
      ["-f", "-y", "-o", trace, "-e", "trace=fdatasync,fsync", process.execPath, "--input-type=module", "-e", script],
      { encoding: "utf8", cwd: join(import.meta.dirname, "../../..") },
    );
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const flushes = readFileSync(trace, "utf8")
      .split("\n")
      .filter((line) => line.includes("plori.db-wal>"));
    expect(flushes.length).toBeGreaterThanOrEqual(COMMITS);
  },
  60_000,
);

test("a backup that is taken while records arrive is a ledger as it was at one moment, and with what was sent again it comes to the same digest", async () => {
  await open.grant(1_000_000n);
  const sent = Array.from({ length: 600 }, (_, n) => recordOf(`u${n}`, { kind: "DISK", byteSeconds: BigInt(n % 7) }));
  const started = Promise.withResolvers<void>();
  async function traffic(): Promise<void> {
    for (let at = 0; at < sent.length; at += 5) {
      await open.record(sent.slice(at, at + 5), "recorder");
      if (at === 50) started.resolve();
    }
  }
  const recording = traffic();
  await started.promise;
  const copy = join(directory.path, "backup.db");
  const reader = openReader(open.path);
  await reader.backup(copy);
  reader.close();
  await recording;

  const restored = await openSqlite(copy, open.clock, silentLog);
  const verified = await Array.fromAsync(restored.ledger.verify(undefined, "", new AbortController().signal));
  expect(verified.flatMap(({ differences }) => differences)).toEqual([]);
  const held = await restored.ledger.chargesAfter("a1", 0, 10_000);
  expect(held.length).toBeGreaterThanOrEqual(50);
  expect(held.map(({ usageId }) => usageId)).toEqual(sent.slice(0, held.length).map(({ usageId }) => usageId));
  const outcomes = { CREATED: 0, REPLAYED: 0, REJECTED: 0 };
  for (let at = 0; at < sent.length; at += 200) {
    const part = sent.slice(at, at + 200);
    for (const { outcome } of await restored.ledger.recordUsage(part, RECORDER, testMutation("a1", "usage.recorded")))
      outcomes[outcome] += 1;
  }
  expect(outcomes).toEqual({ CREATED: sent.length - held.length, REPLAYED: held.length, REJECTED: 0 });
  await restored.close();
  expect(digestAt(copy)).toBe(digestAt(open.path));
}, 60_000);

test("in the middle of traffic an older version takes over from a newer one and the records go on, unless a migration of the newer one is marked as breaking; then it refuses and changes nothing", async () => {
  await open.grant(1_000n);
  const sent = Array.from({ length: 20 }, (_, n) => recordOf(`u${n}`, { kind: "DISK", byteSeconds: 2n }));
  await open.record(sent.slice(0, 10), "recorder");
  const migrated = async (breaking: 0 | 1): Promise<void> => {
    const newer = openWriter(open.path);
    newer.exec(`CREATE TABLE from_the_future_${breaking} (x INTEGER) STRICT`);
    newer
      .prepare("INSERT INTO migration VALUES (?, ?, ?, 0)")
      .run(9_998 + breaking, `${9_998 + breaking}-x.sql`, breaking);
    newer.close();
  };
  await migrated(0);
  await open.restart();
  const outcomes = (await open.record(sent, "recorder")).map(({ outcome }) => outcome);
  expect(outcomes).toEqual([...Array(10).fill("REPLAYED"), ...Array(10).fill("CREATED")]);
  expect(await open.differences()).toEqual([]);
  const digest = digestAt(open.path);
  await migrated(1);
  await open.store.close();
  await expect(openSqlite(open.path, open.clock, silentLog)).rejects.toThrow("changed by a newer version");
  expect(digestAt(open.path)).toBe(digest);
  const writer = openWriter(open.path);
  writer.exec("DELETE FROM migration WHERE breaking = 1 AND number > 9000");
  writer.close();
  await open.restart();
  expect(digestAt(open.path)).toBe(digest);
});
