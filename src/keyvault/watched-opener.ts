import { PloriError } from "../base/errors.ts";
import type { SealedKey, SealedKeyOpener } from "./open-credential.ts";
import type { KeyRef } from "./ports.ts";

/** As the opener, and tells when a stored key fails its check: it never opens again, and its owner should learn that. `onUnreadable` must not throw. */
export function watchOpener(opener: SealedKeyOpener, onUnreadable: (key: KeyRef) => void) {
  function tell(key: KeyRef, error: unknown): void {
    // A refusal by the KMS is not for good: it ends when the KMS allows the key again.
    if (!(error instanceof PloriError) || error.reason !== "RECORD_CORRUPT") return;
    const { account, keyId, version } = key;
    onUnreadable({ account, keyId, version });
  }
  return {
    async open(key: SealedKey & KeyRef) {
      try {
        return await opener.open(key);
      } catch (error) {
        tell(key, error);
        throw error;
      }
    },
    openWarm(key: SealedKey & KeyRef) {
      try {
        return opener.openWarm(key);
      } catch (error) {
        tell(key, error);
        throw error;
      }
    },
  };
}
