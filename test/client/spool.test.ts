import { execFile } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentHostLog } from "../../src/client/log.ts";
import { SEGMENT_HEAD } from "../../src/client/spool/frames.ts";
import { Spool, type SpoolLimits } from "../../src/client/spool/spool.ts";
import { keepingLog } from "../support/agent-host.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LIMITS: SpoolLimits = { recordsMax: 1_000, bytesMax: 1_000_000, segmentMaxBytes: 10_000 };
/** As many as there are. */
const ALL = 1_000_000;

let directory: ReturnType<typeof temporaryDirectory>;
const open: Spool[] = [];
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  for (const spool of open.splice(0)) await spool.close();
  directory.remove();
});

async function openSpool(limits: Partial<SpoolLimits> = {}, log = silentHostLog): Promise<Spool> {
  const spool = await Spool.open(directory.path, { ...LIMITS, ...limits }, log);
  open.push(spool);
  return spool;
}

async function close(spool: Spool): Promise<void> {
  open.splice(open.indexOf(spool), 1);
  await spool.close();
}

const append = (spool: Spool, ...texts: readonly string[]): Promise<unknown> =>
  Promise.all(texts.map((text) => spool.append(Buffer.from(text))));

/** Everything that waits, taken and acknowledged. */
async function drain(spool: Spool, recordsMax = ALL): Promise<readonly string[]> {
  const texts: string[] = [];
  for (;;) {
    const batch = await spool.nextBatch(recordsMax, ALL);
    if (batch === undefined) return texts;
    texts.push(...batch.payloads.map((payload) => Buffer.from(payload).toString()));
    await spool.delivered(batch);
  }
}

const segments = (): readonly string[] => readdirSync(directory.path).filter((name) => name.endsWith(".spool"));

test("records come out in the order in which they went in, in batches of the asked size", async () => {
  const spool = await openSpool();
  const texts = Array.from({ length: 25 }, (_, index) => `record ${index}`);
  await append(spool, ...texts);
  const first = await spool.nextBatch(10, ALL);
  expect(first?.payloads).toHaveLength(10);
  expect(spool.waiting.records).toBe(25);
  expect(await drain(spool, 10)).toEqual(texts);
  expect(spool.waiting).toEqual({ records: 0, bytes: 0 });
});

test("a batch that is not acknowledged is offered again", async () => {
  const spool = await openSpool();
  await append(spool, "one");
  await spool.nextBatch(ALL, ALL);
  expect(await drain(spool)).toEqual(["one"]);
});

test("segments are bounded, and go when everything in them is delivered", async () => {
  const spool = await openSpool({ segmentMaxBytes: 1_000 });
  for (let index = 0; index < 40; index += 1) await append(spool, `${index} ${"x".repeat(90)}`);
  expect(segments().length).toBeGreaterThanOrEqual(4);
  expect(await drain(spool)).toHaveLength(40);
  expect(segments().length).toBeLessThanOrEqual(1);
  await close(spool);
  expect(readdirSync(directory.path)).toEqual([]);
});

test("what waits at the end is there for the next one, what was delivered is not", async () => {
  const spool = await openSpool();
  await append(spool, "one", "two", "three");
  const batch = await spool.nextBatch(2, ALL);
  if (batch === undefined) throw new Error("no batch");
  await spool.delivered(batch);
  await close(spool);
  expect(await drain(await openSpool())).toEqual(["three"]);
});

test("a mark that is damaged, or no record's end, is not believed: the records are offered again", async () => {
  for (const mark of ["", "12345678", "\0\0\0\0\0\0\0\x09abcd"]) {
    const spool = await openSpool();
    await append(spool, "one", "two");
    await close(spool);
    const [name = ""] = segments();
    writeFileSync(join(directory.path, `${name}.delivered`), mark, "latin1");
    expect(await drain(await openSpool())).toEqual(["one", "two"]);
  }
});

test("two at once have files of their own, and neither takes the other's while it lives", async () => {
  const [one, two] = [await openSpool(), await openSpool()];
  await append(one, "of one");
  await append(two, "of two");
  expect(await one.adopt()).toBe(0);
  expect(await two.adopt()).toBe(0);
  expect(await drain(two)).toEqual(["of two"]);
  await close(one);
  expect(await two.adopt()).toBe(1);
  expect(await drain(two)).toEqual(["of one"]);
});

test("of several that find an orphan at once, one takes it", async () => {
  const dead = await openSpool();
  await append(dead, "orphan");
  await close(dead);
  const living = [await Spool.open(directory.path, LIMITS, silentHostLog)];
  open.push(...living);
  const adopted = await Promise.all(Array.from({ length: 4 }, () => openSpool()));
  const all = (await Promise.all([...living, ...adopted].map((spool) => drain(spool)))).flat();
  expect(all).toEqual(["orphan"]);
});

test("a torn end is cut off, with a word in the log, and what is whole before it is delivered", async () => {
  const spool = await openSpool();
  await append(spool, "one", "two");
  await close(spool);
  const [name = ""] = segments();
  truncateSync(join(directory.path, name), readFileSync(join(directory.path, name)).length - 1);
  const log = keepingLog();
  const next = await openSpool({}, log);
  expect(await drain(next)).toEqual(["one"]);
  expect(log.lines.join()).toContain("torn by a crash");
  await close(next);
  expect(readdirSync(directory.path)).toEqual([]);
});

test("a segment that was damaged in its midst is kept for people, with an error in the log", async () => {
  const spool = await openSpool();
  await append(spool, "one", "two", "three");
  await close(spool);
  const [name = ""] = segments();
  const bytes = readFileSync(join(directory.path, name));
  bytes[bytes.indexOf("two")] = 0;
  writeFileSync(join(directory.path, name), bytes);
  const log = keepingLog();
  const next = await openSpool({}, log);
  expect(await drain(next)).toEqual(["one"]);
  expect(log.lines.join()).toContain("error: a spool is damaged");
  await close(next);
  const [kept = ""] = readdirSync(directory.path);
  expect(kept).toMatch(/\.damaged$/);
  expect(readFileSync(join(directory.path, kept))).toEqual(bytes);
});

test("a file that is no spool stays, is told of, and keeps nobody from working", async () => {
  const name = "0123456789ab-00000001.spool";
  writeFileSync(join(directory.path, name), "this is something else");
  appendFileSync(join(directory.path, "notes.txt"), "mine");
  const log = keepingLog();
  const spool = await openSpool({}, log);
  await append(spool, "one");
  expect(await drain(spool)).toEqual(["one"]);
  expect(log.lines.join()).toContain("cannot be read");
  await close(spool);
  expect(readdirSync(directory.path)).toHaveLength(2);
});

test("an empty segment and a torn head, as a crash at the very start leaves them, are cleared away", async () => {
  writeFileSync(join(directory.path, "0123456789ab-00000001.spool"), "");
  writeFileSync(join(directory.path, "0123456789ab-00000002.spool"), SEGMENT_HEAD.subarray(0, 3));
  writeFileSync(join(directory.path, "0123456789ab-00000003.spool.delivered"), "left over");
  const spool = await openSpool();
  expect(await drain(spool)).toEqual([]);
  await close(spool);
  expect(readdirSync(directory.path)).toEqual([]);
});

test("a full spool refuses a record with a clear error, and takes records again once there is room", async () => {
  const spool = await openSpool({ recordsMax: 3 });
  await append(spool, "one", "two", "three");
  await expect(spool.append(Buffer.from("four"))).rejects.toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "SPOOL_FULL",
    message: expect.stringContaining("3 records"),
  });
  expect(await drain(spool)).toEqual(["one", "two", "three"]);
  await append(spool, "five");
  expect(await drain(spool)).toEqual(["five"]);
  const small = await openSpool({ bytesMax: 100 });
  await append(small, "x".repeat(80));
  await expect(small.append(Buffer.from("x".repeat(20)))).rejects.toMatchObject({ reason: "SPOOL_FULL" });
});

test("on a full disk a record is refused and nothing half written is kept; those that were kept stay", async () => {
  // The shell's bound on the size of a file stands for the end of the disk: the kernel cuts a write there, then refuses.
  const child = join(import.meta.dirname, "../support/spool-until-full.ts");
  const command = `ulimit -f 8; exec "$0" "$1" "$2"`;
  const { stdout } = await promisify(execFile)("bash", ["-c", command, process.execPath, child, directory.path]);
  const told = JSON.parse(stdout) as { readonly kept: readonly string[]; readonly refused: readonly string[] };
  expect(told.kept.length).toBeGreaterThan(10);
  expect(new Set(told.refused)).toEqual(new Set(["SPOOL_FULL"]));
  const left = await drain(await openSpool({ recordsMax: ALL, bytesMax: ALL * 10 }));
  expect(left).toEqual(told.kept);
});

test("closed, it takes nothing more; a directory that is a file, or too deep, is refused at the start", async () => {
  const spool = await openSpool();
  await close(spool);
  await expect(spool.append(Buffer.from("late"))).rejects.toMatchObject({ reason: "HOST_CLOSED" });
  writeFileSync(join(directory.path, "file"), "");
  await expect(Spool.open(join(directory.path, "file"), LIMITS, silentHostLog)).rejects.toThrow("EEXIST");
  const deep = join(directory.path, "d".repeat(90));
  mkdirSync(deep);
  await expect(Spool.open(deep, LIMITS, silentHostLog)).rejects.toMatchObject({
    reason: "FIELDS_INVALID",
    message: expect.stringContaining("at most 81 bytes"),
  });
  expect(existsSync(deep)).toBe(true);
});
