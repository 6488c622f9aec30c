import { afterEach, beforeEach, expect, test } from "vitest";
import { watchStorage } from "../../../src/app/storage.ts";
import { PloriError } from "../../../src/base/errors.ts";
import { type Log, silentLog } from "../../../src/base/log.ts";
import { sizeOf } from "../../../src/store/sqlite/ballast.ts";
import { openReader } from "../../../src/store/sqlite/open-database.ts";
import { NOW_MS, recordOf } from "../fixtures.ts";
import { type OpenLedger, openLedger } from "../open-ledger.ts";

const MIB = 1024 * 1024;
let open: OpenLedger;
beforeEach(async () => {
  open = await openLedger();
});
afterEach(() => open.close());

test("ten times as many writes as may wait: the rest are refused at once with OVERLOADED and a wait, those that were taken are all served, and no more ever wait than may", async () => {
  const CAPACITY = 20_000;
  const TRIED = 10 * CAPACITY;
  await open.grant(10n ** 12n);
  const { writer } = open.store;
  const mutation = {
    audit: { kind: "usage.recorded", timeMs: NOW_MS, caller: "c", actor: "", account: "a1", subject: "u", details: {} },
  } as const;
  const recorder = { role: "recorder", host: "" } as const;
  let deepest = 0;
  let answered = 0;
  const refusals: PloriError[] = [];
  const taken: Promise<unknown>[] = [];
  for (let n = 0; n < TRIED; n += 1) {
    const records = [recordOf(`u${n}`, { kind: "DISK", byteSeconds: 1n })];
    const done = writer.submit("recordUsage", { records, recorder, mutation }).then(
      () => {
        answered += 1;
      },
      (error: unknown) => {
        if (!(error instanceof PloriError)) throw error;
        refusals.push(error);
      },
    );
    taken.push(done);
    deepest = Math.max(deepest, writer.depth);
  }
  // A late one is refused as well, and learns when to come back; none of this waits for the disk.
  const late = await open.disk("late", 1n).catch((error: unknown) => error);
  expect(late).toMatchObject({ reason: "OVERLOADED", code: "RESOURCE_EXHAUSTED", retryAfterMs: 500 });
  expect(answered).toBe(0);
  await Promise.all(taken);
  expect(deepest).toBeLessThanOrEqual(CAPACITY + 2 * 500);
  expect(answered).toBeGreaterThanOrEqual(CAPACITY);
  expect(answered + refusals.length).toBe(TRIED);
  expect(new Set(refusals.map(({ reason }) => reason))).toEqual(new Set(["OVERLOADED"]));
  // Refused is refused: what is there is what was answered, and the next write goes through.
  expect(await open.ledger.balance("a1")).toMatchObject({ spentNano: BigInt(answered) });
  expect((await open.disk("after", 1n)).outcome).toBe("CREATED");
  expect(writer.depth).toBe(0);
}, 120_000);

test("large requests wait by their records: what waits stays bounded however many records each brings, and nothing that was taken is lost", async () => {
  const RECORDS_MAX = 100_000;
  const records = Array.from({ length: 500 }, (_, n) => recordOf(`u${n}`, { kind: "DISK", byteSeconds: 1n }));
  await open.grant(10n ** 12n);
  const outcomes = await Promise.all(
    Array.from({ length: 400 }, () =>
      open.record(records, "recorder").then(
        () => "answered",
        (error: unknown) => (error instanceof PloriError ? error.reason : String(error)),
      ),
    ),
  );
  const answered = outcomes.filter((outcome) => outcome === "answered").length;
  // Two batches are on their way beside those that wait.
  expect(answered).toBeGreaterThanOrEqual(RECORDS_MAX / 500);
  expect(answered).toBeLessThanOrEqual(RECORDS_MAX / 500 + 2 * 10);
  expect(new Set(outcomes)).toEqual(new Set(["answered", "OVERLOADED"]));
  expect(await open.ledger.balance("a1")).toMatchObject({ spentNano: 500n });
  expect((await open.disk("after", 1n)).outcome).toBe("CREATED");
}, 120_000);

test("somebody who reads one moment's state for long keeps nobody from writing or reading; the log's growth raises the alarm, and when the reader is gone it shrinks to its bound", async () => {
  const LOG_BOUND_BYTES = 64 * MIB;
  await open.grant(10n ** 12n);
  const gauges = new Map<string, () => number>();
  const said: string[] = [];
  const log: Log = { ...silentLog, warn: (text) => said.push(text), info: (text) => said.push(text) };
  const stop = watchStorage({
    config: { databasePath: open.path, ballastBytes: 0 },
    writer: open.store.writer,
    metrics: { gauge: (name, _help, read) => void gauges.set(name, read) },
    log,
    logMaxBytes: 4 * MIB,
    lookEveryMs: 20,
  });
  const overgrown = () => gauges.get("plori_log_overgrown")?.();
  const logBytes = () => sizeOf(`${open.path}-wal`);
  const labels = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`filler-${n}`, "x".repeat(128)]));
  let sent = 0;
  async function writeMuch(bytes: number): Promise<void> {
    const end = (await logBytes()) + bytes;
    for (let rounds = 0; (await logBytes()) < end && rounds < 500; rounds += 1) {
      const records = Array.from({ length: 500 }, () => {
        sent += 1;
        return recordOf(`u${sent}`, { kind: "DISK", byteSeconds: 1n }, { labels });
      });
      await open.record(records, "recorder");
    }
  }
  try {
    const reader = openReader(open.path);
    reader.exec("BEGIN");
    const seenFirst = reader.prepare("SELECT count(*) AS n FROM charge").get();
    await writeMuch(5 * MIB);
    await expect.poll(overgrown, { timeout: 10_000 }).toBe(1);
    expect(said).toEqual([expect.stringContaining("log has outgrown its bound")]);
    // Beyond the point at which it would be written back and begun anew if nobody held it.
    await writeMuch(LOG_BOUND_BYTES);
    expect(await logBytes()).toBeGreaterThan(LOG_BOUND_BYTES);
    expect(reader.prepare("SELECT count(*) AS n FROM charge").get()).toEqual(seenFirst);
    expect(await open.ledger.balance("a1")).toMatchObject({ spentNano: BigInt(sent) });
    reader.exec("COMMIT");
    reader.close();
    await writeMuch(1);
    await open.disk("last", 1n);
    expect(await logBytes()).toBeLessThanOrEqual(LOG_BOUND_BYTES);
  } finally {
    await stop();
  }
  expect(await open.differences()).toEqual([]);
}, 120_000);
