import { randomFillSync } from "node:crypto";
import { type FileHandle, open, rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";

const CHUNK_BYTES = 1024 * 1024;
/** The ballast is made only where it leaves half as much again: it must not be what fills the disk. */
const ROOM_FOR_MAKING = 1.5;

/**
 * A file of no use but its size. On a full disk SQLite cannot even write its log back into the database, which would free the log's room; with the ballast gone
 * it can, and an operator who must delete something has time to think.
 */
export interface Ballast {
  /** How large it is when it is there; 0: there is none. */
  readonly bytes: number;
  /** How much must be free for it to be made. */
  readonly makingBytes: number;
  /** Makes it unless it is there. False when there is not enough room. Throws what the file system says. */
  make(): Promise<boolean>;
  /** Removes it. True when it was there. */
  spend(): Promise<boolean>;
}

/** The ballast at `path`, of `bytes` bytes. Nothing is done to the disk before it is asked for. */
export function createBallast(path: string, bytes: number): Ballast {
  const makingBytes = bytes * ROOM_FOR_MAKING;
  let last: Promise<unknown> = Promise.resolve();

  /** One after the other: what is being made must not be left behind by a removal that came in between. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  }

  async function make(): Promise<boolean> {
    if ((await sizeOf(path)) === bytes) return true;
    // Half a ballast of a process that died, or one of another size: its room counts.
    await rm(path, { force: true });
    if (bytes === 0 || (await freeBytesAt(path)) < makingBytes) return false;
    try {
      await fill(path, bytes);
      return true;
    } catch (error) {
      await rm(path, { force: true });
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") return false;
      throw error;
    }
  }

  return {
    bytes,
    makingBytes,
    make: () => inTurn(make),
    spend: () =>
      inTurn(async () => {
        const wasThere = (await sizeOf(path)) > 0;
        await rm(path, { force: true });
        return wasThere;
      }),
  };
}

/** How many bytes may still be written to the file system that holds the file at `path`, which need not exist. */
export async function freeBytesAt(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(path));
  return bavail * bsize;
}

/** The size of a file; 0 when there is none. */
export async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}

async function fill(path: string, bytes: number): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    // Chance: a file system that compresses would make nothing of zeros.
    const chunk = randomFillSync(Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytes)));
    for (let left = bytes; left > 0; left -= chunk.length) await writeWhole(file, chunk, Math.min(chunk.length, left));
  } finally {
    await file.close();
  }
}

/** A write to a disk that fills up may write less than it was given before it fails. */
async function writeWhole(file: FileHandle, chunk: Buffer, length: number): Promise<void> {
  for (let at = 0; at < length; ) at += (await file.write(chunk, at, length - at)).bytesWritten;
}
