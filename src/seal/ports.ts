import type { Provider } from "../base/provider.ts";

/** Names one data key of an account: ids only, since it stands in the KMS's trail. */
export interface DataKeyRef {
  readonly account: string;
  readonly dataKeyId: string;
  /** From 1. */
  readonly dataKeyVersion: number;
}

/** A data key as it is stored: useless without the KMS key that wrapped it. */
export interface WrappedDataKey extends DataKeyRef {
  readonly kmsKeyArn: string;
  readonly wrapped: Uint8Array;
  readonly createMs: number;
}

/** Where wrapped data keys are kept. */
export interface DataKeyStore {
  /** The account's key with this id and version, or undefined. */
  find(ref: DataKeyRef): Promise<WrappedDataKey | undefined>;
  /** The account's newest version of `dataKeyId`, the one that new records are sealed under, or undefined. */
  newest(account: string, dataKeyId: string): Promise<WrappedDataKey | undefined>;
  /** The highest version of `dataKeyId` that the account ever had, destroyed ones included; 0 for none. A version is never used twice. */
  lastVersion(account: string, dataKeyId: string): Promise<number>;
  /**
   * Stores a new data key durably unless the account has one of that id and version already.
   * Returns the one that is stored afterwards: a caller that lost the race must use that.
   * Throws ETAG_MISMATCH for a version that was destroyed meanwhile.
   */
  insert(key: WrappedDataKey): Promise<WrappedDataKey>;
}

/** What a sealed record is bound to. Every field is in the associated data: changing any of them makes the record unreadable. */
export interface RecordIdentity {
  readonly account: string;
  /** "none": what is sealed belongs to no provider. */
  readonly provider: Provider | "none";
  /** The key version that the record holds. */
  readonly keyVersion: number;
  /** What the plaintext is, for example "provider-key". */
  readonly kind: string;
}

/** A sealed record and the data key that it needs. */
export interface SealedRecord {
  readonly dataKeyId: string;
  readonly dataKeyVersion: number;
  /** The record format of DESIGN §5, for ever: "PLB1" | suite | data key version | salt | commitment | nonce | ciphertext | tag. */
  readonly bytes: Uint8Array;
}
