/** The encryption context of a KMS call: bound to the ciphertext, and in plain sight in the KMS's own trail, so ids only. */
export type EncryptionContext = Readonly<Record<string, string>>;

/** A fresh data key: `plaintext` is 32 bytes that the receiver must wipe, `wrapped` at most 6,144 bytes that only the KMS can open. */
export interface GeneratedDataKey {
  readonly plaintext: Buffer;
  readonly wrapped: Uint8Array;
  /** The ARN of the KMS key that wrapped it. */
  readonly keyArn: string;
}

/**
 * What a failed KMS call means for whoever holds a cached data key:
 * - `unavailable`: nobody answered, or the answer was no answer (timeout, reset, 5xx, throttling, nonsense). What is cached stays usable.
 * - `denied`: the KMS answered that the key may not be used (disabled, no permission, pending deletion, not found, wrong key). Evict at once.
 * - `corrupt`: the answer, or the ciphertext, fails its check (invalid ciphertext, wrong length, wrong key id). Page someone.
 */
export type KmsFailure = "unavailable" | "denied" | "corrupt";

/** A failed KMS call. `name` of the cause and its class may be logged; the KMS's text is kept out of `message`. */
export class KmsError extends Error {
  override readonly name = "KmsError";
  readonly failure: KmsFailure;
  /** The KMS's own error name, for example "DisabledException". */
  readonly errorName: string;

  constructor(failure: KmsFailure, errorName: string, options?: { readonly cause?: unknown }) {
    super(`KMS ${failure}: ${errorName}`, options);
    this.failure = failure;
    this.errorName = errorName;
  }
}

/** The key management service, as far as this project uses it. Every method throws `KmsError` and ends within the adapter's own deadline. */
export interface Kms {
  /** A new 256-bit data key under the KMS key `keyId` (id, ARN or alias). */
  generateDataKey(keyId: string, context: EncryptionContext): Promise<GeneratedDataKey>;
  /** Opens what `generateDataKey` wrapped. Refused as `corrupt` unless the KMS says that `keyArn` opened it and 32 bytes came out. The receiver wipes them. */
  decrypt(keyArn: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer>;
  /**
   * Wraps the data key inside `wrapped` anew under `destinationKeyId` (id, ARN or alias), same context; its plaintext never leaves the KMS.
   * Refused as `corrupt` unless the KMS says that `sourceKeyArn` opened it.
   */
  reEncrypt(
    sourceKeyArn: string,
    wrapped: Uint8Array,
    destinationKeyId: string,
    context: EncryptionContext,
  ): Promise<Pick<GeneratedDataKey, "wrapped" | "keyArn">>;
  /** The ARN that `keyId` stands for; throws `denied` when it cannot be used now. */
  describeKey(keyId: string): Promise<{ readonly keyArn: string }>;
  /** Closes its connections. */
  close(): void;
}
