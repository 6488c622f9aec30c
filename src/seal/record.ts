import { refuse } from "../base/errors.ts";
import { BLOCK_BYTES, PLAINTEXT_MAX_BYTES } from "./plaintext.ts";

/** HMAC-SHA512 derivation with a 32-byte commitment, AES-256-GCM. The only suite so far. */
export const SUITE = 0x01;
export const SALT_BYTES = 32;
export const COMMITMENT_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

const MAGIC = Buffer.from("PLB1", "latin1");
const VERSION_OFFSET = MAGIC.length + 1;
const SALT_OFFSET = VERSION_OFFSET + 4;
const COMMITMENT_OFFSET = SALT_OFFSET + SALT_BYTES;
/** Where the nonce begins. What stands before it decides the record's key, and is compared when that key is cached. */
export const HEAD_BYTES = COMMITMENT_OFFSET + COMMITMENT_BYTES;
const CIPHERTEXT_OFFSET = HEAD_BYTES + NONCE_BYTES;
const OVERHEAD_BYTES = CIPHERTEXT_OFFSET + TAG_BYTES;
const U32_MAX = 0xffff_ffff;

/**
 * The parts of a sealed record, as it lies in the database for ever, big endian:
 * "PLB1" | suite 0x01 | data key version u32 | salt 32 | commitment 32 | nonce 12 | ciphertext | tag 16.
 */
export interface RecordParts {
  readonly dataKeyVersion: number;
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/** The record as bytes of its own. */
export function encodeRecord(parts: RecordParts): Buffer {
  const out = Buffer.allocUnsafeSlow(OVERHEAD_BYTES + parts.ciphertext.length);
  MAGIC.copy(out);
  out.writeUInt8(SUITE, MAGIC.length);
  out.writeUInt32BE(parts.dataKeyVersion, VERSION_OFFSET);
  out.set(parts.salt, SALT_OFFSET);
  out.set(parts.commitment, COMMITMENT_OFFSET);
  out.set(parts.nonce, HEAD_BYTES);
  out.set(parts.ciphertext, CIPHERTEXT_OFFSET);
  out.set(parts.tag, CIPHERTEXT_OFFSET + parts.ciphertext.length);
  return out;
}

/** Views of the record's parts, not copies. RECORD_CORRUPT for every length, magic or suite that no record of ours has. */
export function parseRecord(bytes: Uint8Array): RecordParts {
  checkRecordLength(bytes);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!buffer.subarray(0, MAGIC.length).equals(MAGIC) || buffer[MAGIC.length] !== SUITE) throw corruptRecord();
  return {
    dataKeyVersion: buffer.readUInt32BE(VERSION_OFFSET),
    salt: buffer.subarray(SALT_OFFSET, COMMITMENT_OFFSET),
    commitment: buffer.subarray(COMMITMENT_OFFSET, HEAD_BYTES),
    ...bodyOf(buffer),
  };
}

/** What is decrypted, as views: for a record whose head is known already. The length must have been checked. */
export function bodyOf(bytes: Uint8Array): Pick<RecordParts, "nonce" | "ciphertext" | "tag"> {
  const tagOffset = bytes.length - TAG_BYTES;
  return {
    nonce: bytes.subarray(HEAD_BYTES, CIPHERTEXT_OFFSET),
    ciphertext: bytes.subarray(CIPHERTEXT_OFFSET, tagOffset),
    tag: bytes.subarray(tagOffset),
  };
}

/** RECORD_CORRUPT unless the ciphertext is one or more whole blocks, and no longer than the longest plaintext. */
export function checkRecordLength(bytes: Uint8Array): void {
  const ciphertextBytes = bytes.length - OVERHEAD_BYTES;
  if (ciphertextBytes < BLOCK_BYTES || ciphertextBytes > PLAINTEXT_MAX_BYTES || ciphertextBytes % BLOCK_BYTES !== 0) {
    throw corruptRecord();
  }
}

/** Whether a number can be a data key's version: from 1, in 32 bits. */
export function isDataKeyVersion(version: number): boolean {
  return Number.isInteger(version) && version >= 1 && version <= U32_MAX;
}

/** The one refusal of a record that fails a check. It does not say which: whoever alters records should learn nothing from it. */
export function corruptRecord(): Error {
  return refuse("RECORD_CORRUPT", "A sealed record fails its check: it was altered, moved, or sealed elsewhere.");
}
