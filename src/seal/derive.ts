import { createHash, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { COMMITMENT_BYTES, SUITE } from "./record.ts";

const LABEL = Buffer.concat([Buffer.from("plori/seal/v1"), Buffer.of(SUITE)]);
const ENCRYPTION_KEY_BYTES = 32;

/** What one record is sealed with. */
export interface RecordKey {
  /** AES-256. As a KeyObject, because raw key bytes open five times slower on Node 24. */
  readonly encryptionKey: KeyObject;
  /** Stands in the record: AES-GCM alone lets one ciphertext open under two keys, this binds it to one. */
  readonly commitment: Buffer;
}

/**
 * The record's own key: K = HMAC-SHA512(data key, "plori/seal/v1" | suite | salt | SHA-256(associated data)); the first half encrypts, the second commits.
 * Since each salt gives a key of its own, random nonces cannot meet, however many records one data key seals. The limit of
 * 2^32 invocations (NIST SP 800-38D §8.3) holds for each AES-GCM key, and each of ours encrypts one message of at most 8 KiB; the data key itself keys
 * HMAC only, and 256-bit salts meet after some 2^128 records. What is stored is counted all the same (`SEALS_PER_DATA_KEY_MAX`).
 */
export function deriveRecordKey(dataKey: KeyObject, salt: Uint8Array, associatedData: Uint8Array): RecordKey {
  const digest = createHash("sha256").update(associatedData).digest();
  const key = createHmac("sha512", dataKey).update(LABEL).update(salt).update(digest).digest();
  const encryptionKey = createSecretKey(key.subarray(0, ENCRYPTION_KEY_BYTES));
  const commitment = Buffer.allocUnsafeSlow(COMMITMENT_BYTES);
  commitment.set(key.subarray(ENCRYPTION_KEY_BYTES));
  key.fill(0);
  return { encryptionKey, commitment };
}
