import { ownBytes } from "../base/own-bytes.ts";
import { KmsError } from "./kms.ts";

/** A data key is AES-256. */
export const DATA_KEY_BYTES = 32;
/** The longest CiphertextBlob that KMS gives or takes (AWS KMS API reference, Decrypt). */
export const WRAPPED_MAX_BYTES = 6_144;

const KEY_ARN = /^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key\/[A-Za-z0-9-]{1,128}$/;

/**
 * Moves a plaintext data key out of the SDK's hands into a buffer of its own, and overwrites the SDK's bytes (a view into Node's shared pool)
 * whatever comes of it. Throws `corrupt` unless there are exactly 32 bytes: an answer of `{}` is a success to the SDK.
 */
export function takePlaintext(plaintext: Uint8Array | undefined): Buffer {
  try {
    if (plaintext?.length !== DATA_KEY_BYTES) throw new KmsError("corrupt", "PlaintextLength");
    const own = ownBytes(DATA_KEY_BYTES);
    own.set(plaintext);
    return own;
  } finally {
    plaintext?.fill(0);
  }
}

/** The wrapped data key as a copy of its own. Throws `corrupt` unless it has 1 to 6,144 bytes. */
export function takeWrapped(blob: Uint8Array | undefined): Uint8Array {
  if (blob === undefined || blob.length === 0 || blob.length > WRAPPED_MAX_BYTES) {
    throw new KmsError("corrupt", "CiphertextLength");
  }
  return Uint8Array.from(blob);
}

/**
 * The ARN that KMS says it used. Throws `corrupt` unless it is a key ARN that `requested` (ARN, id or alias) can stand for:
 * an ARN must come back as it is, an id must be the ARN's own; what an alias points to only KMS knows.
 */
export function takeKeyArn(answered: string | undefined, requested: string): string {
  if (answered === undefined || !KEY_ARN.test(answered)) throw new KmsError("corrupt", "KeyIdMissing");
  const isAlias = requested.startsWith("alias/") || requested.includes(":alias/");
  const matches = isAlias || answered === requested || answered.endsWith(`:key/${requested}`);
  if (!matches) throw new KmsError("corrupt", "KeyIdMismatch");
  return answered;
}
