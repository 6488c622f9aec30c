import { timingSafeEqual } from "node:crypto";
import { KmsError } from "../kms/kms.ts";
import { type DataKeyParts, encryptionContext } from "./data-keys.ts";
import type { WrappedDataKey } from "./ports.ts";
import { corruptRecord } from "./record.ts";

/**
 * The same data key, wrapped by the active KMS key. The KMS does it without showing the plaintext; then both blobs are opened and compared, since a
 * blob that opens to anything else would lose the account's records for ever. Nothing is stored. Three KMS calls, each through the gate.
 * Throws RECORD_CORRUPT when the key is wrapped by none of our KMS keys, and `KmsError`.
 */
export async function rewrapDataKey(parts: DataKeyParts, key: WrappedDataKey): Promise<WrappedDataKey> {
  if (!parts.isTrustedKmsKey(key.kmsKeyArn)) throw corruptRecord();
  const { kms, gate } = parts;
  const context = encryptionContext(parts.environment, key);
  const sourceArn = parts.localKmsKey(key.kmsKeyArn);
  const made = await gate.run(() => kms.reEncrypt(sourceArn, key.wrapped, parts.activeKmsKeyId, context));
  const before = await gate.run(() => kms.decrypt(sourceArn, key.wrapped, context));
  try {
    const after = await gate.run(() => kms.decrypt(made.keyArn, made.wrapped, context));
    try {
      if (!timingSafeEqual(before, after)) throw new KmsError("corrupt", "RewrappedKeyDiffers");
    } finally {
      after.fill(0);
    }
  } finally {
    before.fill(0);
  }
  return { ...key, kmsKeyArn: made.keyArn, wrapped: made.wrapped };
}
