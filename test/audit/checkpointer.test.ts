import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openCheckpoint } from "../../src/audit/checkpoint.ts";
import { readCheckpointFile } from "../../src/audit/checkpoint-file.ts";
import { type CheckpointerDeps, startCheckpointer } from "../../src/audit/checkpointer.ts";
import { openSigningKeys } from "../../src/audit/signing-key.ts";
import type { Log } from "../../src/base/log.ts";
import { openTestSealer } from "../seal/open-test-sealer.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { chainOf, factsOf, ORIGIN } from "./chains.ts";
import { createMemoryAudit, type MemoryAudit } from "./memory-audit.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let path: string;
let memory: MemoryAudit;
let sealed: ReturnType<typeof openTestSealer>;
let logged: string[];

beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, "checkpoints");
  memory = createMemoryAudit();
  sealed = openTestSealer();
  logged = [];
});
afterEach(() => directory.remove());

/** A checkpointer whose time passes when the test says so. */
function start(changes: Partial<CheckpointerDeps> = {}) {
  let look = async () => {};
  const log: Log = {
    debug() {},
    info() {},
    warn: (text) => logged.push(`warn ${text}`),
    error: (text) => logged.push(`error ${text}`),
  };
  const checkpointer = startCheckpointer({
    audit: memory.audit,
    store: memory.audit,
    sealer: sealed.sealer,
    clock: sealed.clock,
    log,
    name: ORIGIN,
    filePath: path,
    every: (_ms, run) => {
      look = run;
      return () => {};
    },
    ...changes,
  });
  return {
    checkpointer,
    /** Lets a second pass, and what it sets off come to its end. */
    async second(): Promise<void> {
      sealed.clock.advance(1_000);
      await look();
    },
  };
}

const sizes = () => memory.checkpoints.map(({ size }) => Number(size));

test("a checkpoint is signed at once, then after a thousand records or ten seconds with any, and never without", async () => {
  memory.write(5);
  const { checkpointer, second } = start();
  await checkpointer.checkpoint();
  expect(sizes()).toEqual([5]);
  memory.write(999);
  await second();
  expect(sizes()).toEqual([5]);
  memory.write(1);
  await second();
  expect(sizes()).toEqual([5, 1005]);
  memory.write(1);
  for (let n = 0; n < 9; n += 1) await second();
  expect(sizes()).toEqual([5, 1005]);
  await second();
  expect(sizes()).toEqual([5, 1005, 1006]);
  for (let n = 0; n < 30; n += 1) await second();
  await checkpointer.checkpoint();
  await checkpointer.stop();
  expect(sizes()).toEqual([5, 1005, 1006]);
  expect(logged).toEqual([]);
});

test("file and database hold the same notes, signed by a key that is kept sealed", async () => {
  memory.write(3);
  const { checkpointer } = start();
  await checkpointer.checkpoint();
  memory.write(1);
  await checkpointer.stop();
  const { notes } = await readCheckpointFile(path);
  expect(notes).toEqual(memory.checkpoints.map(({ note }) => note));
  const keys = await openSigningKeys({ store: memory.audit, sealer: sealed.sealer, clock: sealed.clock, name: ORIGIN });
  expect(notes.map((note) => openCheckpoint(note, ORIGIN, keys)?.size)).toEqual([3n, 4n]);
  const [stored] = await memory.audit.signingKeys();
  const seed = keys[0]?.privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
  expect(Buffer.from(stored?.sealed.bytes ?? []).includes(seed ?? "")).toBe(false);
});

test("a disk that is full delays the database's copy, not the file's, and is told of", async () => {
  memory.write(3);
  const { checkpointer } = start();
  memory.isFull = true;
  await expect(checkpointer.checkpoint()).rejects.toThrow("full");
  expect((await readCheckpointFile(path)).notes).toHaveLength(1);
  memory.isFull = false;
  memory.write(1);
  await checkpointer.stop();
  expect(sizes()).toEqual([4]);
});

test("while the KMS is away nothing is signed; it is tried again, and then goes on by itself", async () => {
  memory.write(3);
  let isAway = true;
  const { sealer } = sealed;
  const { second } = start({
    sealer: {
      open: sealer.open,
      seal: (identity, secret) => (isAway ? Promise.reject(new Error("away")) : sealer.seal(identity, secret)),
    },
  });
  for (let n = 0; n < 9; n += 1) await second();
  expect(logged).toHaveLength(1);
  isAway = false;
  for (let n = 0; n < 3; n += 1) await second();
  expect(sizes()).toEqual([3]);
});

test("the next process goes on where the last one stopped, and its signatures hold under the same key", async () => {
  memory.write(3);
  await start().checkpointer.stop();
  memory.write(2);
  const next = start().checkpointer;
  await next.stop();
  expect([sizes(), next.isStopped]).toEqual([[3, 5], false]);
  expect(await memory.audit.signingKeys()).toHaveLength(1);
});

test("a chain that was changed between two processes is not signed any more, whatever became of the database's checkpoints", async () => {
  const facts = Array.from({ length: 6 }, (_none, n) => factsOf(n));
  const changes: ((chain: MemoryAudit) => void)[] = [
    (audit) => audit.chain.pop(),
    (audit) => audit.chain.splice(0),
    (audit) => audit.chain.splice(0, 6, ...chainOf(facts.map((fact) => ({ ...fact, actor: "x" })))),
    (audit) => audit.chain.push(...chainOf([factsOf(9)]).map((record) => ({ ...record, seq: 7n }))),
  ];
  for (const change of changes)
    for (const keepsCheckpoints of [true, false]) {
      memory = createMemoryAudit();
      path = join(directory.path, `checkpoints-${Math.random()}`);
      memory.write(6);
      await start().checkpointer.stop();
      const before = readFileSync(path, "utf8");
      change(memory);
      if (!keepsCheckpoints) memory.checkpoints = [];
      logged = [];
      const { checkpointer, second } = start();
      await second();
      memory.write(1);
      await checkpointer.stop();
      expect(checkpointer.isStopped).toBe(true);
      expect(logged.some((line) => line.startsWith("error"))).toBe(true);
      expect(readFileSync(path, "utf8")).toBe(before);
    }
});

test("a chain that was pruned up to the last checkpoint is signed on", async () => {
  memory.write(6);
  await start().checkpointer.stop();
  const last = memory.chain.at(-1);
  if (last === undefined) throw new Error("no record");
  memory.base = last;
  memory.write(1);
  const next = start().checkpointer;
  await next.stop();
  expect([sizes(), next.isStopped]).toEqual([[6, 7], false]);
});
