import { createDecipheriv, type KeyObject, timingSafeEqual } from "node:crypto";
import type { Secret } from "../base/secret.ts";
import { deriveRecordKey } from "./derive.ts";
import { adoptSecret } from "./plaintext.ts";
import { bodyOf, checkRecordLength, corruptRecord, HEAD_BYTES, parseRecord, TAG_BYTES } from "./record.ts";

/** A record's key after its commitment held, with what it was derived from, so that it serves that one record again without derivation. */
export interface OpenedRecordKey {
  readonly encryptionKey: KeyObject;
  /** The record up to its nonce: version, salt and commitment. */
  readonly head: Buffer;
  readonly associatedData: Buffer;
}

/**
 * Derives the key of a record and compares its commitment, in constant time and before anything is decrypted.
 * RECORD_CORRUPT when the record is malformed, names another data key version, or was not sealed with this data key and associated data.
 */
export function keyOfRecord(
  dataKey: KeyObject,
  dataKeyVersion: number,
  associatedData: Uint8Array,
  record: Uint8Array,
): OpenedRecordKey {
  const parts = parseRecord(record);
  if (parts.dataKeyVersion !== dataKeyVersion) throw corruptRecord();
  const { encryptionKey, commitment } = deriveRecordKey(dataKey, parts.salt, associatedData);
  if (!timingSafeEqual(commitment, parts.commitment)) throw corruptRecord();
  // One allocation outside Node's pool: a small pooled buffer that is kept would keep its whole slab.
  const kept = Buffer.allocUnsafeSlow(HEAD_BYTES + associatedData.length);
  kept.set(record.subarray(0, HEAD_BYTES));
  kept.set(associatedData, HEAD_BYTES);
  return { encryptionKey, head: kept.subarray(0, HEAD_BYTES), associatedData: kept.subarray(HEAD_BYTES) };
}

/** Whether `key` was derived for this very record. Nothing here is secret: the head lies in the database as it is. */
export function isKeyOfRecord(key: OpenedRecordKey, record: Uint8Array): boolean {
  return record.length >= HEAD_BYTES && key.head.compare(record, 0, HEAD_BYTES) === 0;
}

/** Opens the body of the record that `key` was derived for. RECORD_CORRUPT when it was altered. The receiver wipes the secret. */
export function openRecord(key: OpenedRecordKey, record: Uint8Array): Secret {
  checkRecordLength(record);
  const { nonce, ciphertext, tag } = bodyOf(record);
  const decipher = createDecipheriv("aes-256-gcm", key.encryptionKey, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(key.associatedData).setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  let secret: Secret | undefined;
  try {
    decipher.final();
    secret = adoptSecret(plaintext);
  } catch {
    // OpenSSL's text says nothing that ours does not.
  }
  if (secret === undefined) {
    plaintext.fill(0);
    throw corruptRecord();
  }
  return secret;
}
