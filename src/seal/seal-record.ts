import { createCipheriv, type KeyObject } from "node:crypto";
import { deriveRecordKey } from "./derive.ts";
import { encodePlaintext } from "./plaintext.ts";
import { encodeRecord, TAG_BYTES } from "./record.ts";

/** What goes into a record. `salt` (32 bytes) and `nonce` (12 bytes) must be fresh random bytes; they are arguments so that vectors can fix them. */
export interface SealInput {
  readonly dataKey: KeyObject;
  readonly dataKeyVersion: number;
  readonly associatedData: Uint8Array;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
}

/** Seals `secret` (1 to 8192 bytes, still the caller's to wipe) into the record format. */
export function sealRecord(input: SealInput, secret: Uint8Array): Buffer {
  const { encryptionKey, commitment } = deriveRecordKey(input.dataKey, input.salt, input.associatedData);
  const cipher = createCipheriv("aes-256-gcm", encryptionKey, input.nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(input.associatedData);
  const plaintext = encodePlaintext(secret);
  try {
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return encodeRecord({ ...input, commitment, ciphertext, tag: cipher.getAuthTag() });
  } finally {
    plaintext.fill(0);
  }
}
