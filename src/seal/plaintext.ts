import { invariant } from "../base/errors.ts";
import { ownBytes } from "../base/own-bytes.ts";
import { Secret } from "../base/secret.ts";

/** The plaintext's length is a multiple of this. */
export const BLOCK_BYTES = 64;
/** The longest secret that is sealed. Provider keys have up to 512; the rest is room for what comes. */
export const SECRET_MAX_BYTES = 8_192;
/** The longest plaintext: the longest secret with its framing and padding. */
export const PLAINTEXT_MAX_BYTES = SECRET_MAX_BYTES + 2 * BLOCK_BYTES;

const FORMAT = 1;
// Protobuf tags: field number << 3 | wire type (protobuf.dev/programming-guides/encoding).
const TAG_FORMAT = (1 << 3) | 0;
const TAG_SECRET = (2 << 3) | 2;
const TAG_PADDING = (3 << 3) | 2;
const FORMAT_FIELD_BYTES = 2;
const PADDING_HEAD_BYTES = 2;

/**
 * The secret as a `plori.seal.v1.SealedSecret`, padded to whole blocks. Encoded by hand because the generated code would leave copies that
 * nobody can wipe. The receiver wipes the buffer.
 */
export function encodePlaintext(secret: Uint8Array): Buffer {
  invariant(secret.length >= 1 && secret.length <= SECRET_MAX_BYTES, "a secret to seal has 1 to 8192 bytes");
  const lengthBytes = secret.length < 0x80 ? 1 : 2;
  const unpadded = FORMAT_FIELD_BYTES + 1 + lengthBytes + secret.length + PADDING_HEAD_BYTES;
  const total = Math.ceil(unpadded / BLOCK_BYTES) * BLOCK_BYTES;
  const out = ownBytes(total);
  let offset = out.writeUInt8(TAG_FORMAT, 0);
  offset = out.writeUInt8(FORMAT, offset);
  offset = out.writeUInt8(TAG_SECRET, offset);
  if (lengthBytes === 1) {
    offset = out.writeUInt8(secret.length, offset);
  } else {
    offset = out.writeUInt8((secret.length & 0x7f) | 0x80, offset);
    offset = out.writeUInt8(secret.length >> 7, offset);
  }
  out.set(secret, offset);
  offset += secret.length;
  offset = out.writeUInt8(TAG_PADDING, offset);
  out.writeUInt8(total - unpadded, offset);
  return out;
}

/**
 * The secret within a plaintext, or undefined when it is not exactly what `encodePlaintext` writes. Takes `plaintext` over: the secret lives in
 * that very buffer, and what stands around it tells nothing.
 */
export function adoptSecret(plaintext: Buffer): Secret | undefined {
  if (plaintext[0] !== TAG_FORMAT || plaintext[1] !== FORMAT || plaintext[2] !== TAG_SECRET) return undefined;
  const first = plaintext[3] ?? 0;
  const second = plaintext[4] ?? 0;
  const isLong = first >= 0x80;
  const secretBytes = isLong ? (first & 0x7f) | (second << 7) : first;
  // A length that would have fitted one byte is not one of ours, nor is an empty secret.
  if (secretBytes < (isLong ? 0x80 : 1) || secretBytes > SECRET_MAX_BYTES) return undefined;
  const start = isLong ? 5 : 4;
  const end = start + secretBytes;
  const paddingStart = end + PADDING_HEAD_BYTES;
  if (plaintext[end] !== TAG_PADDING || plaintext[end + 1] !== plaintext.length - paddingStart) return undefined;
  return Secret.adopt(plaintext.subarray(start, end));
}
