import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Secret } from "../base/secret.ts";
import type { Kms } from "../kms/kms.ts";
import { type AccountMacs, accountMac, isSameMac } from "./account-mac.ts";
import { associatedData } from "./associated-data.ts";
import { createCircuitBreaker } from "./circuit-breaker.ts";
import { createDataKeyCache, type DataKeyCache } from "./data-key-cache.ts";
import type { DataKeyEntry } from "./data-key-entry.ts";
import { createDataKeyMaker, type DataKeyParts, fetchDataKey } from "./data-keys.ts";
import { toSealFailure } from "./failures.ts";
import { FINGERPRINT_KEY, fingerprintOf } from "./fingerprint.ts";
import { createKmsGate } from "./kms-gate.ts";
import type { DataKeyLifeCycle, Verification } from "./life-cycle.ts";
import { SEAL_LIMITS, type SealLimits } from "./limits.ts";
import { isKeyOfRecord, keyOfRecord, type OpenedRecordKey, openRecord } from "./open-record.ts";
import type { DataKeyRef, DataKeyStore, RecordIdentity, SealedRecord } from "./ports.ts";
import { corruptRecord, isDataKeyVersion, NONCE_BYTES, SALT_BYTES } from "./record.ts";
import { rewrapDataKey } from "./rewrap-data-key.ts";
import { sealRecord } from "./seal-record.ts";
import type { Sealer } from "./sealer.ts";

/** The data key id under which provider keys are sealed, and with which MACs are made. */
export const RECORDS_KEY_ID = "records";
/** Data keys that a verification holds at once: it goes account by account, so that few are enough. */
const VERIFICATION_DATA_KEYS_MAX = 64;

/** What a sealer is made of. */
export interface SealerOptions {
  readonly kms: Kms;
  readonly store: DataKeyStore;
  /** The environment's name. It is sealed into every record: another environment cannot open it. */
  readonly environment: string;
  /** The KMS key (id, ARN or alias) that wraps new data keys. */
  readonly activeKmsKeyId: string;
  readonly clock: Clock;
  /** Whether a data key wrapped by this KMS key may be used. Absent: every one that the KMS opens for us. */
  readonly isTrustedKmsKey?: (keyArn: string) => boolean;
  /** The ARN by which this Region knows a KMS key. Absent: the one that wrapped the data key. */
  readonly localKmsKey?: (keyArn: string) => string;
  /** Numbers in [0, 1), for jitter only. */
  readonly random?: () => number;
  readonly limits?: Partial<SealLimits>;
  /** Runs something every so often until the returned function is called. Absent: a timer that keeps no process alive. */
  readonly every?: (ms: number, run: () => void) => () => void;
}

/** How the sealer fares at this moment. */
export interface SealerStats {
  readonly dataKeys: number;
  readonly kmsCallsRunning: number;
  readonly kmsCallsQueued: number;
  readonly kmsCircuitOpen: boolean;
}

/** A sealer over a KMS and a store of wrapped data keys, with its own cache of data keys. */
export function createSealer(
  options: SealerOptions,
): Sealer & AccountMacs & DataKeyLifeCycle & { stats(): SealerStats } {
  const { clock, environment } = options;
  const limits: SealLimits = { ...SEAL_LIMITS, ...options.limits };
  const random = options.random ?? Math.random;
  const breaker = createCircuitBreaker(clock, random, limits);
  const gate = createKmsGate(clock, breaker, limits);
  const parts: DataKeyParts = {
    ...options,
    gate,
    isTrustedKmsKey: options.isTrustedKmsKey ?? (() => true),
    localKmsKey: options.localKmsKey ?? ((keyArn) => keyArn),
  };
  const openCache = (dataKeysMax: number): DataKeyCache =>
    createDataKeyCache({
      fetch: (ref) => fetchDataKey(parts, ref),
      kmsIsDown: breaker.isOpen,
      clock,
      random,
      limits: { ...limits, dataKeysMax },
    });
  const cache = openCache(limits.dataKeysMax);
  const maker = createDataKeyMaker(parts, cache);
  const stopSweeping = (options.every ?? everyUnattended)(limits.sweepEveryMs, cache.sweep);

  function openWith(entry: DataKeyEntry, identity: RecordIdentity, record: SealedRecord): Secret {
    const slot = `${identity.keyVersion}/${identity.kind.length}/${identity.kind}/${identity.provider}`;
    const known = entry.recordKeys.get(slot);
    if (known !== undefined && isKeyOfRecord(known, record.bytes)) return openRecord(known, record.bytes);
    const aad = associatedData(environment, identity, entry.ref);
    const key = keyOfRecord(entry.key, entry.ref.dataKeyVersion, aad, record.bytes);
    const secret = openRecord(key, record.bytes);
    // Kept only after it opened a whole record, so that altered ones displace nothing.
    keep(entry.recordKeys, slot, key, limits.recordKeysPerDataKeyMax);
    return secret;
  }

  /** Opening and checking by way of one cache. */
  function through(keys: DataKeyCache): Pick<Verification, "open" | "verifyMac"> {
    return {
      async open(identity, record) {
        try {
          return openWith(await keys.get(dataKeyOf(identity, record)), identity, record);
        } catch (error) {
          throw toSealFailure(error);
        }
      },
      async verifyMac(account, dataKeyVersion, bytes, mac) {
        if (!isDataKeyVersion(dataKeyVersion)) return false;
        try {
          const { key, ref } = await keys.get({ account, dataKeyId: RECORDS_KEY_ID, dataKeyVersion });
          return isSameMac(accountMac(key, environment, ref, bytes), mac);
        } catch (error) {
          throw toSealFailure(error);
        }
      },
    };
  }

  return {
    ...through(cache),
    async seal(identity, secret) {
      try {
        const { key, ref } = await maker.newest(identity.account, RECORDS_KEY_ID);
        const input = {
          dataKey: key,
          dataKeyVersion: ref.dataKeyVersion,
          associatedData: associatedData(environment, identity, ref),
          salt: randomBytes(SALT_BYTES),
          nonce: randomBytes(NONCE_BYTES),
        };
        return {
          dataKeyId: ref.dataKeyId,
          dataKeyVersion: ref.dataKeyVersion,
          bytes: sealRecord(input, secret.reveal()),
        };
      } catch (error) {
        throw toSealFailure(error);
      }
    },
    async mac(account, bytes) {
      try {
        const { key, ref } = await maker.newest(account, RECORDS_KEY_ID);
        return { dataKeyVersion: ref.dataKeyVersion, mac: accountMac(key, environment, ref, bytes) };
      } catch (error) {
        throw toSealFailure(error);
      }
    },
    async rotate(account) {
      try {
        return (await maker.next(account, RECORDS_KEY_ID)).ref.dataKeyVersion;
      } catch (error) {
        throw toSealFailure(error);
      }
    },
    async rewrap(key) {
      try {
        return await rewrapDataKey(parts, key);
      } catch (error) {
        throw toSealFailure(error);
      }
    },
    evictAll() {
      const { size } = cache;
      cache.evictAll();
      return size;
    },
    openVerification() {
      const own = openCache(VERIFICATION_DATA_KEYS_MAX);
      return { ...through(own), close: own.close };
    },
    openWarm(identity, record) {
      const entry = cache.warm(dataKeyOf(identity, record));
      return entry === undefined ? undefined : openWith(entry, identity, record);
    },
    async fingerprint(secret) {
      try {
        const { key } = await maker.findOrMake(FINGERPRINT_KEY);
        return fingerprintOf(key, secret.reveal());
      } catch (error) {
        throw toSealFailure(error);
      }
    },
    evict: cache.evict,
    close() {
      stopSweeping();
      gate.close();
      cache.close();
    },
    stats: () => ({
      dataKeys: cache.size,
      kmsCallsRunning: gate.running,
      kmsCallsQueued: gate.queued,
      kmsCircuitOpen: breaker.isOpen(),
    }),
  };
}

function dataKeyOf(identity: RecordIdentity, record: SealedRecord): DataKeyRef {
  if (!isDataKeyVersion(record.dataKeyVersion)) throw corruptRecord();
  return { account: identity.account, dataKeyId: record.dataKeyId, dataKeyVersion: record.dataKeyVersion };
}

/** Adds to a bounded map, dropping what was added first. */
function keep(keys: Map<string, OpenedRecordKey>, slot: string, key: OpenedRecordKey, max: number): void {
  keys.delete(slot);
  keys.set(slot, key);
  if (keys.size <= max) return;
  for (const oldest of keys.keys()) {
    keys.delete(oldest);
    return;
  }
}

function everyUnattended(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms).unref();
  return () => clearInterval(timer);
}
