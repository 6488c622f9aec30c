import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { canonicalBytes } from "../base/canonical.ts";
import type { DataKeyRef } from "./ports.ts";

const LABEL = "plori/account-mac/v1";

/** Authenticates what the database says about an account, under the account's own data key. Errors as of `Sealer`. */
export interface AccountMacs {
  /** HMAC-SHA256 (32 bytes) of `bytes` under the account's newest data key, and that key's version. Makes the data key if there is none yet. */
  mac(account: string, bytes: Uint8Array): Promise<{ readonly dataKeyVersion: number; readonly mac: Buffer }>;
  /** Whether `mac` is what `mac()` gave for these bytes under that version. In constant time. */
  verifyMac(account: string, dataKeyVersion: number, bytes: Uint8Array, mac: Uint8Array): Promise<boolean>;
}

/** HMAC-SHA256(HMAC-SHA256(data key, label), environment, account, data key id and version, bytes). The key is not one that seals anything. */
export function accountMac(dataKey: KeyObject, environment: string, ref: DataKeyRef, bytes: Uint8Array): Buffer {
  const key = createHmac("sha256", dataKey).update(LABEL).digest();
  try {
    const bound = canonicalBytes([environment, ref.account, ref.dataKeyId, ref.dataKeyVersion, bytes]);
    return createHmac("sha256", key).update(bound).digest();
  } finally {
    key.fill(0);
  }
}

/** Whether two MACs are the same, in constant time. */
export function isSameMac(made: Buffer, given: Uint8Array): boolean {
  return made.length === given.length && timingSafeEqual(made, given);
}
