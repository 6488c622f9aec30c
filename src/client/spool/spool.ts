import { link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { hostClosed } from "../host-error.ts";
import type { HostLog } from "../log.ts";
import { encodeFrame } from "./frames.ts";
import { markedSegment, markPath, Segment, type SegmentBatch } from "./segment.ts";
import { segmentName, writerOf } from "./segment-names.ts";
import { spoolFailed, spoolFull, type Waiting } from "./spool-error.ts";
import { isWriterAlive, lockWriter, removeDeadLocks, type WriterLock } from "./writer-lock.ts";

/** Bounds of a spool. */
export interface SpoolLimits {
  /** Records that may wait for delivery. */
  readonly recordsMax: number;
  /** Bytes that they may take. */
  readonly bytesMax: number;
  /** A segment that is longer is not appended to. */
  readonly segmentMaxBytes: number;
}

/** Records that wait for delivery. */
export interface SpoolBatch extends SegmentBatch {
  readonly segment: Segment;
}

interface Queued {
  readonly frame: Buffer;
  readonly kept: () => void;
  readonly lost: (error: unknown) => void;
}

/** The most that one write takes; what came meanwhile goes into the next. */
const GROUP_MAX_BYTES = 1024 * 1024;
const DIRECTORY_OWN_ONLY = 0o700;

/**
 * Records on this machine's disk until they are delivered, in segments of this process's own. What a process left that is dead is taken over. Records of one
 * process are delivered in the order in which they were appended.
 */
export class Spool {
  readonly #directory: string;
  readonly #limits: SpoolLimits;
  readonly #log: HostLog;
  readonly #lock: WriterLock;
  /** Oldest first; the last one is appended to unless it is sealed. */
  readonly #segments: Segment[] = [];
  readonly #queue: Queued[] = [];
  #queued: Waiting = { records: 0, bytes: 0 };
  #committing: Promise<void> | undefined;
  #adopting: Promise<number> | undefined;
  #sequence = 0;
  #isClosed = false;
  #onAppended: () => void = () => {};

  private constructor(directory: string, limits: SpoolLimits, log: HostLog, lock: WriterLock) {
    this.#directory = directory;
    this.#limits = limits;
    this.#log = log;
    this.#lock = lock;
  }

  /** Opens the spool and takes over what dead processes left. Throws INVALID_ARGUMENT or the file system's error. */
  static async open(directory: string, limits: SpoolLimits, log: HostLog): Promise<Spool> {
    await mkdir(directory, { recursive: true, mode: DIRECTORY_OWN_ONLY });
    const spool = new Spool(directory, limits, log, await lockWriter(directory));
    try {
      await spool.adopt();
      return spool;
    } catch (error) {
      await spool.close();
      throw error;
    }
  }

  get writer(): string {
    return this.#lock.writer;
  }

  /** What waits for delivery, or for the disk. */
  get waiting(): Waiting {
    let { records, bytes } = this.#queued;
    for (const { waiting } of this.#segments) {
      records += waiting.records;
      bytes += waiting.bytes;
    }
    return { records, bytes };
  }

  /** Calls `listener` whenever there is something new to deliver. */
  onAppended(listener: () => void): void {
    this.#onAppended = listener;
  }

  /**
   * Resolves when the record is on the disk, together with whatever came while the disk was busy. Rejects with SPOOL_FULL when there is no room for it, with
   * SPOOL_FAILED when the disk fails, with HOST_CLOSED after `close`.
   */
  append(payload: Uint8Array): Promise<void> {
    if (this.#isClosed) return Promise.reject(hostClosed());
    const waiting = this.waiting;
    const frame = encodeFrame(payload);
    if (waiting.records >= this.#limits.recordsMax || waiting.bytes + frame.length > this.#limits.bytesMax)
      return Promise.reject(spoolFull(waiting));
    return new Promise((kept, lost) => {
      this.#queue.push({ frame, kept, lost });
      this.#queued = { records: this.#queued.records + 1, bytes: this.#queued.bytes + frame.length };
      this.#committing ??= this.#commit();
    });
  }

  /** The oldest records that wait for delivery; undefined when there is none. */
  async nextBatch(recordsMax: number, bytesMax: number): Promise<SpoolBatch | undefined> {
    for (const segment of [...this.#segments]) {
      const batch = await segment.nextBatch(recordsMax, bytesMax);
      if (batch !== undefined) return { ...batch, segment };
    }
    return undefined;
  }

  /** The batch is delivered: it is never offered again, and a segment that has nothing more to deliver is removed. */
  async delivered({ segment, ...batch }: SpoolBatch): Promise<void> {
    await segment.delivered(batch);
    if (segment.isDelivered && (segment.isSealed || segment.sizeBytes >= this.#limits.segmentMaxBytes))
      await this.#remove(segment);
  }

  /** Takes over what dead processes left, as far as there is room. Returns how many records that were. */
  adopt(): Promise<number> {
    this.#adopting ??= this.#adoptAll().finally(() => {
      this.#adopting = undefined;
    });
    return this.#adopting;
  }

  /** Waits for what is being written, then lets go of the files. What is not delivered stays for the next process. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled([this.#committing, this.#adopting]);
    for (const segment of this.#segments.splice(0))
      await (segment.isDelivered ? segment.remove() : segment.close()).catch(() => {});
    await this.#lock.release();
  }

  async #adoptAll(): Promise<number> {
    const adopted: Segment[] = [];
    const alive = new Map<string, boolean>([[this.writer, true]]);
    const names = (await readdir(this.#directory)).toSorted();
    for (const name of names) {
      const segmentOf = markedSegment(name) ?? name;
      const writer = writerOf(segmentOf);
      if (writer === undefined || this.#isClosed || this.waiting.records >= this.#limits.recordsMax) continue;
      const isAlive = alive.get(writer) ?? (await isWriterAlive(this.#directory, writer));
      alive.set(writer, isAlive);
      if (isAlive) continue;
      if (segmentOf === name) {
        const segment = await this.#adoptSegment(name);
        if (segment !== undefined) adopted.push(segment);
      } else if (!names.includes(segmentOf)) {
        await rm(join(this.#directory, name), { force: true });
      }
    }
    await removeDeadLocks(this.#directory);
    this.#segments.unshift(...adopted);
    if (adopted.length > 0) this.#onAppended();
    return adopted.reduce((sum, { waiting }) => sum + waiting.records, 0);
  }

  async #adoptSegment(name: string): Promise<Segment | undefined> {
    const path = join(this.#directory, name);
    const own = join(this.#directory, segmentName(this.writer, ++this.#sequence));
    try {
      // The name decides who has it: of two that try, one finds nothing to rename. The mark comes second, and means nothing by itself.
      await rename(path, own);
      await rename(markPath(path), markPath(own)).catch(() => {});
      const { segment, cutBytes, isDamaged } = await Segment.adopt(own);
      if (isDamaged) await this.#keepDamaged(own);
      else if (cutBytes > 0) this.#log.warn("the end of a spool was torn by a crash and is cut off", { cutBytes });
      if (!segment.isDelivered) return segment;
      await segment.remove();
    } catch (error) {
      // It stays under our name, for a later process: nothing is lost by what could not be read now.
      if (!isMissing(error))
        this.#log.error("a spool that a dead process left cannot be read", { file: own, err: error });
    }
    return undefined;
  }

  /** What a disk spoilt is kept for people to look at; the records before the damage are delivered. */
  async #keepDamaged(path: string): Promise<void> {
    const kept = `${path}.damaged`;
    await link(path, kept);
    this.#log.error("a spool is damaged; what stands behind the damage is not delivered", { file: kept });
  }

  async #commit(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      const frames = Buffer.concat(group.map(({ frame }) => frame));
      try {
        const segment = await this.#segmentFor(frames.length);
        await segment.append(frames, group.length);
        for (const { kept } of group) kept();
        this.#onAppended();
      } catch (error) {
        this.#log.error("the spool cannot be written", { err: error });
        for (const { lost } of group) lost(spoolFailed(error));
      } finally {
        const { records, bytes } = this.#queued;
        this.#queued = { records: records - group.length, bytes: bytes - frames.length };
      }
    }
    this.#committing = undefined;
  }

  #takeGroup(): readonly Queued[] {
    let bytes = 0;
    const index = this.#queue.findIndex(({ frame }) => {
      bytes += frame.length;
      return bytes > GROUP_MAX_BYTES;
    });
    return this.#queue.splice(0, index <= 0 ? this.#queue.length : index);
  }

  async #segmentFor(bytes: number): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last !== undefined && !last.isSealed && last.sizeBytes + bytes <= this.#limits.segmentMaxBytes) {
      last.isWriting = true;
      return last;
    }
    if (last !== undefined) last.isSealed = true;
    const path = join(this.#directory, segmentName(this.writer, ++this.#sequence));
    const segment = await Segment.create(path);
    this.#segments.push(segment);
    if (last?.isDelivered === true) await this.#remove(last);
    return segment;
  }

  async #remove(segment: Segment): Promise<void> {
    const index = this.#segments.indexOf(segment);
    if (index < 0) return;
    this.#segments.splice(index, 1);
    await segment.remove();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
