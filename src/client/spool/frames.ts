import { crc32 } from "node:zlib";

/** Begins every segment; the last character is the format's version. */
export const SEGMENT_HEAD = Buffer.from("PLSPOOL1", "latin1");
/** The longest payload of a frame. */
export const PAYLOAD_MAX_BYTES = 64 * 1024;
const FRAME_HEAD_BYTES = 8;
/** The longest frame. */
export const FRAME_MAX_BYTES = FRAME_HEAD_BYTES + PAYLOAD_MAX_BYTES;

/**
 * One record as it lies in a segment: its length as u32, the CRC-32 of length and payload as u32, both big endian, then the payload. Zeros, as a file system
 * may leave them after a crash, are no frame: a payload is at least one byte.
 */
export function encodeFrame(payload: Uint8Array): Buffer {
  if (payload.length === 0 || payload.length > PAYLOAD_MAX_BYTES) throw new RangeError("a payload of a wrong size");
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payload.length);
  frame.writeUInt32BE(payload.length, 0);
  frame.set(payload, FRAME_HEAD_BYTES);
  frame.writeUInt32BE(checksumOf(frame), 4);
  return frame;
}

/** A frame that was read. */
export interface Frame {
  readonly payload: Uint8Array;
  /** Where it ends, counted from the beginning of what was read. */
  readonly endBytes: number;
}

/** The whole frames from `start` on, in order, up to the first that is cut short or damaged. Payloads are views. */
export function readFrames(bytes: Buffer, start = 0): readonly Frame[] {
  const frames: Frame[] = [];
  for (let at = start; ; ) {
    const endBytes = frameEnd(bytes, at);
    if (endBytes === undefined) return frames;
    frames.push({ payload: bytes.subarray(at + FRAME_HEAD_BYTES, endBytes), endBytes });
    at = endBytes;
  }
}

/**
 * Whether a whole frame begins anywhere from `from` on. After the last frame of a segment that a crash tore there is none; where there is one, the segment was
 * damaged in its midst.
 */
export function hasFrameBeyond(bytes: Buffer, from: number): boolean {
  for (let at = from; at < bytes.length - FRAME_HEAD_BYTES; at += 1) if (frameEnd(bytes, at) !== undefined) return true;
  return false;
}

/** The frames of a whole segment; none when its head is not whole. Throws when the head is another format's. */
export function readSegment(bytes: Buffer): readonly Frame[] {
  const head = bytes.subarray(0, SEGMENT_HEAD.length);
  if (head.length < SEGMENT_HEAD.length) return [];
  if (!head.equals(SEGMENT_HEAD)) throw new Error("this is no spool of a format that is known");
  return readFrames(bytes, SEGMENT_HEAD.length);
}

/** Where the frame that begins at `at` ends; undefined when none does. */
function frameEnd(bytes: Buffer, at: number): number | undefined {
  if (bytes.length - at <= FRAME_HEAD_BYTES) return undefined;
  const length = bytes.readUInt32BE(at);
  const endBytes = at + FRAME_HEAD_BYTES + length;
  if (length === 0 || length > PAYLOAD_MAX_BYTES || endBytes > bytes.length) return undefined;
  const frame = bytes.subarray(at, endBytes);
  return frame.readUInt32BE(4) === checksumOf(frame) ? endBytes : undefined;
}

function checksumOf(frame: Buffer): number {
  return crc32(frame.subarray(FRAME_HEAD_BYTES), crc32(frame.subarray(0, 4)));
}
