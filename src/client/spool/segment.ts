import { constants } from "node:fs";
import { type FileHandle, open, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { FRAME_MAX_BYTES, type Frame, hasFrameBeyond, readFrames, readSegment, SEGMENT_HEAD } from "./frames.ts";

const OWN_ONLY = 0o600;
const MARK_BYTES = 12;
/** Far above what a segment grows to. */
const ADOPTED_MAX_BYTES = 64 * 1024 * 1024;

/** Records of a batch, and where in their segment they end. */
export interface SegmentBatch {
  readonly payloads: readonly Uint8Array[];
  readonly endBytes: number;
}

/** A segment that another process left. */
export interface Adopted {
  readonly segment: Segment;
  /** What stands behind the last whole record. */
  readonly cutBytes: number;
  /** Whole records stand behind one that is not: not a crash but something else did that. */
  readonly isDamaged: boolean;
}

/** One append-only file of the spool. A second, small file beside it says up to where its records were delivered; without it they are delivered again. */
export class Segment {
  readonly path: string;
  readonly #file: FileHandle;
  /** Up to here everything is whole and on the disk. */
  #goodBytes: number;
  #deliveredBytes: number;
  /** Records that are not delivered. */
  #records: number;
  /** Set while a write is under way. */
  isWriting = false;
  /** Nothing more is appended to it. */
  isSealed = false;

  private constructor(path: string, file: FileHandle, goodBytes: number, deliveredBytes: number, records: number) {
    this.path = path;
    this.#file = file;
    this.#goodBytes = goodBytes;
    this.#deliveredBytes = deliveredBytes;
    this.#records = records;
  }

  /** A new, empty one. Its name is on the disk before the first record is. */
  static async create(path: string): Promise<Segment> {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR;
    const file = await open(path, flags, OWN_ONLY);
    try {
      await writeWhole(file, SEGMENT_HEAD, 0);
      await file.datasync();
      await syncDirectory(dirname(path));
      return new Segment(path, file, SEGMENT_HEAD.length, SEGMENT_HEAD.length, 0);
    } catch (error) {
      await file.close();
      await rm(path, { force: true });
      throw error;
    }
  }

  /** One that another process left. What a crash tore at its end does not count. Throws when the file is none of ours. */
  static async adopt(path: string): Promise<Adopted> {
    const file = await open(path, constants.O_RDONLY);
    try {
      if ((await file.stat()).size > ADOPTED_MAX_BYTES) throw new Error("this is larger than any segment");
      const bytes = await file.readFile();
      const frames = readSegment(bytes);
      const goodBytes = frames.at(-1)?.endBytes ?? Math.min(SEGMENT_HEAD.length, bytes.length);
      const deliveredBytes = deliveredUpTo(await readMark(path), frames);
      const records = frames.filter(({ endBytes }) => endBytes > deliveredBytes).length;
      const segment = new Segment(path, file, goodBytes, deliveredBytes, records);
      segment.isSealed = true;
      return { segment, cutBytes: bytes.length - goodBytes, isDamaged: hasFrameBeyond(bytes, goodBytes) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#goodBytes;
  }

  /** Records and bytes that are not delivered. */
  get waiting(): { readonly records: number; readonly bytes: number } {
    return { records: this.#records, bytes: this.#goodBytes - this.#deliveredBytes };
  }

  get isDelivered(): boolean {
    return this.#records === 0 && !this.isWriting;
  }

  /**
   * Appends whole frames and resolves when they are on the disk. On failure what was written of them is cut off again, the segment is sealed, since the
   * disk cannot be trusted with this file any more, and the promise rejects with the file system's error.
   */
  async append(frames: Buffer, records: number): Promise<void> {
    this.isWriting = true;
    try {
      await writeWhole(this.#file, frames, this.#goodBytes);
      await this.#file.datasync();
      this.#goodBytes += frames.length;
      this.#records += records;
    } catch (error) {
      this.isSealed = true;
      // When even that fails, the next reader finds whole records that nobody was told are kept: they may be delivered, once, like all others.
      await this.#file.truncate(this.#goodBytes).catch(() => {});
      throw error;
    } finally {
      this.isWriting = false;
    }
  }

  /** The oldest records that are not delivered: at most `recordsMax` of them, and about `bytesMax`. Undefined when there is none. */
  async nextBatch(recordsMax: number, bytesMax: number): Promise<SegmentBatch | undefined> {
    const from = this.#deliveredBytes;
    const length = Math.min(this.#goodBytes - from, Math.max(bytesMax, FRAME_MAX_BYTES));
    if (length === 0) return undefined;
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.#file.read(bytes, 0, length, from);
    const frames: readonly Frame[] = readFrames(bytes.subarray(0, bytesRead)).slice(0, recordsMax);
    const last = frames.at(-1);
    if (last === undefined) throw new Error("a record of the spool cannot be read back");
    return { payloads: frames.map(({ payload }) => payload), endBytes: from + last.endBytes };
  }

  /** The batch is delivered. That it is need not be durable: what is delivered again is told apart by its usage id. */
  async delivered({ payloads, endBytes }: SegmentBatch): Promise<void> {
    this.#deliveredBytes = endBytes;
    this.#records -= payloads.length;
    const mark = Buffer.alloc(MARK_BYTES);
    mark.writeBigUInt64BE(BigInt(endBytes), 0);
    mark.writeUInt32BE(crc32(mark.subarray(0, 8)), 8);
    await writeFile(markPath(this.path), mark, { mode: OWN_ONLY }).catch(() => {});
  }

  /** Removes the files. */
  async remove(): Promise<void> {
    await this.close();
    // A mark alone would stay behind for ever; a segment alone is delivered again, which is harmless.
    await rm(markPath(this.path), { force: true });
    await rm(this.path, { force: true });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

const MARK_SUFFIX = ".delivered";

/** The small file beside a segment. */
export function markPath(path: string): string {
  return path + MARK_SUFFIX;
}

/** The segment that such a file stands beside; undefined when it is none. */
export function markedSegment(name: string): string | undefined {
  return name.endsWith(MARK_SUFFIX) ? name.slice(0, -MARK_SUFFIX.length) : undefined;
}

/** Makes names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeWhole(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

async function readMark(path: string): Promise<number> {
  try {
    const mark = await readFile(markPath(path));
    if (mark.length !== MARK_BYTES || mark.readUInt32BE(8) !== crc32(mark.subarray(0, 8))) return 0;
    return Number(mark.readBigUInt64BE(0));
  } catch {
    // No mark: nothing is known to be delivered.
    return 0;
  }
}

/** Only the end of a record counts as a position. */
function deliveredUpTo(mark: number, frames: readonly Frame[]): number {
  return frames.some(({ endBytes }) => endBytes === mark) ? mark : SEGMENT_HEAD.length;
}
