import { createSecretKey } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { refuse } from "../base/errors.ts";
import type { EncryptionContext, Kms } from "../kms/kms.ts";
import type { DataKeyCache } from "./data-key-cache.ts";
import { type DataKeyEntry, dataKeyName, type UnwrappedDataKey } from "./data-key-entry.ts";
import type { KmsGate } from "./kms-gate.ts";
import type { DataKeyRef, DataKeyStore, WrappedDataKey } from "./ports.ts";
import { corruptRecord } from "./record.ts";

/** What data keys are fetched and made with. */
export interface DataKeyParts {
  readonly kms: Kms;
  readonly store: DataKeyStore;
  readonly gate: KmsGate;
  readonly clock: Pick<Clock, "nowMs">;
  readonly environment: string;
  readonly activeKmsKeyId: string;
  readonly isTrustedKmsKey: (keyArn: string) => boolean;
  /** The ARN by which this Region knows a KMS key: itself, or the replica of a multi-Region key. */
  readonly localKmsKey: (keyArn: string) => string;
}

/** Names a data key to KMS, which binds the wrapped key to it. It stands in CloudTrail for all to see, so: ids only. */
export function encryptionContext(environment: string, ref: DataKeyRef): EncryptionContext {
  return {
    app: "plori-byok",
    environment,
    account: ref.account,
    data_key_id: ref.dataKeyId,
    data_key_version: ref.dataKeyVersion.toString(),
  };
}

/**
 * Reads a wrapped data key from the store and has KMS open it. Throws RECORD_CORRUPT when the store has no such key, or when it is wrapped by
 * a KMS key that is not ours (someone with write access to the database would know what such a key seals); else what KMS and the store throw.
 */
export async function fetchDataKey(parts: DataKeyParts, ref: DataKeyRef): Promise<UnwrappedDataKey> {
  const stored = await parts.store.find(ref);
  if (stored === undefined || !parts.isTrustedKmsKey(stored.kmsKeyArn)) throw corruptRecord();
  // The context names the key that was asked for, not the one that the store gave: a swapped row does not open.
  const context = encryptionContext(parts.environment, ref);
  const plaintext = await parts.gate.run(() =>
    parts.kms.decrypt(parts.localKmsKey(stored.kmsKeyArn), stored.wrapped, context),
  );
  try {
    return { key: createSecretKey(plaintext), wrapped: stored.wrapped };
  } finally {
    plaintext.fill(0);
  }
}

/** Makes data keys and finds the ones to seal under. */
export interface DataKeyMaker {
  /** The account's newest data key of that id, made if there is none yet. */
  newest(account: string, dataKeyId: string): Promise<DataKeyEntry>;
  /** A further version of that id, which is the newest from now on. */
  next(account: string, dataKeyId: string): Promise<DataKeyEntry>;
  /** That very data key, made if there is none yet. */
  findOrMake(ref: DataKeyRef): Promise<DataKeyEntry>;
}

/** A maker that keeps what it makes in `cache`. Callers who need the same new key at once share one creation. */
export function createDataKeyMaker(parts: DataKeyParts, cache: DataKeyCache): DataKeyMaker {
  const making = new Map<string, Promise<WrappedDataKey>>();

  async function make(ref: DataKeyRef): Promise<WrappedDataKey> {
    const context = encryptionContext(parts.environment, ref);
    const made = await parts.gate.run(() => parts.kms.generateDataKey(parts.activeKmsKeyId, context));
    try {
      const stored = await parts.store.insert({
        ...ref,
        kmsKeyArn: made.keyArn,
        wrapped: made.wrapped,
        createMs: parts.clock.nowMs(),
      });
      // Another process may have been first. Then its key is the account's, and ours is forgotten.
      if (isSame(stored.wrapped, made.wrapped)) {
        cache.put(ref, { key: createSecretKey(made.plaintext), wrapped: made.wrapped });
      }
      return stored;
    } finally {
      made.plaintext.fill(0);
    }
  }

  function makeOnce(ref: DataKeyRef): Promise<WrappedDataKey> {
    const name = dataKeyName(ref);
    const running = making.get(name);
    if (running !== undefined) return running;
    const promise = make(ref).finally(() => making.delete(name));
    making.set(name, promise);
    return promise;
  }

  /** The cached key must be the stored one: what is sealed under a key that the store no longer has would be lost for ever. */
  async function unwrapped(stored: WrappedDataKey): Promise<DataKeyEntry> {
    const entry = await cache.get(stored);
    if (isSame(entry.wrapped, stored.wrapped)) return entry;
    cache.forget(stored);
    const again = await cache.get(stored);
    if (isSame(again.wrapped, stored.wrapped)) return again;
    throw refuse("KMS_UNAVAILABLE", "The account's data key changed while it was read; try again.");
  }

  return {
    async newest(account, dataKeyId) {
      const stored = await parts.store.newest(account, dataKeyId);
      if (stored !== undefined) return await unwrapped(stored);
      // Not simply the first: the versions before it may have been destroyed, and records of theirs must never meet a key again.
      const dataKeyVersion = (await parts.store.lastVersion(account, dataKeyId)) + 1;
      return await unwrapped(await makeOnce({ account, dataKeyId, dataKeyVersion }));
    },
    async next(account, dataKeyId) {
      const dataKeyVersion = (await parts.store.lastVersion(account, dataKeyId)) + 1;
      return await unwrapped(await makeOnce({ account, dataKeyId, dataKeyVersion }));
    },
    async findOrMake(ref) {
      return cache.warm(ref) ?? (await unwrapped((await parts.store.find(ref)) ?? (await makeOnce(ref))));
    },
  };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
