import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { signCheckpoint, signerKey } from "../../src/audit/checkpoint.ts";
import { openCheckpointFile, readCheckpointFile } from "../../src/audit/checkpoint-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const key = signerKey("o", Buffer.alloc(32, 1));
const notes = [1n, 2n, 30n].map((size) => signCheckpoint(key, "o", size, Buffer.alloc(32, Number(size))).note);
let directory: ReturnType<typeof temporaryDirectory>;
let path: string;

beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, "checkpoints");
});
afterEach(() => directory.remove());

async function write(some: readonly string[]): Promise<void> {
  const file = await openCheckpointFile(path);
  for (const note of some) await file.append(note);
  await file.close();
}

test("notes come back in order, over several openings, and only the owner may read the file", async () => {
  await write(notes.slice(0, 1));
  await write(notes.slice(1));
  expect(await readCheckpointFile(path)).toEqual({ notes, isDamaged: false });
  expect(statSync(path).mode & 0o077).toBe(0);
});

test("a file that is not there has no notes", async () => {
  expect(await readCheckpointFile(path)).toEqual({ notes: [], isDamaged: false });
});

test("an end that was torn off anywhere is passed over, and cut when the file is opened again", async () => {
  await write(notes.slice(0, 2));
  const whole = readFileSync(path);
  const twoBytes = whole.length;
  await write(notes.slice(2));
  const all = readFileSync(path);
  for (let bytes = twoBytes; bytes < all.length; bytes += 1) {
    writeFileSync(path, all);
    truncateSync(path, bytes);
    expect(await readCheckpointFile(path)).toEqual({ notes: notes.slice(0, 2), isDamaged: false });
    await write(notes.slice(2));
    expect(readFileSync(path).equals(all)).toBe(true);
  }
});

test("what is no note in between is seen, and does not hide the notes after it", async () => {
  await write(notes.slice(0, 2));
  appendFileSync(path, "garbage\n\n");
  appendFileSync(path, `${notes[2]}\n`);
  expect(await readCheckpointFile(path)).toEqual({ notes, isDamaged: true });
});
