import { createHmac, type KeyObject } from "node:crypto";
import { PLATFORM_ACCOUNT } from "../base/provider.ts";
import type { DataKeyRef } from "./ports.ts";

/** The data key that fingerprints come from. It is never rotated: fingerprints are compared over the installation's whole life. */
export const FINGERPRINT_KEY: DataKeyRef = { account: PLATFORM_ACCOUNT, dataKeyId: "fingerprint", dataKeyVersion: 1 };

const LABEL = "plori/fingerprint/v1";

/** HMAC-SHA256(HMAC-SHA256(data key, "plori/fingerprint/v1"), secret): 32 bytes that tell nothing of the secret without the key. */
export function fingerprintOf(dataKey: KeyObject, secret: Uint8Array): Buffer {
  const key = createHmac("sha256", dataKey).update(LABEL).digest();
  try {
    return createHmac("sha256", key).update(secret).digest();
  } finally {
    key.fill(0);
  }
}
