import { LRUCache } from "lru-cache";
import type { Clock } from "../base/clock.ts";
import { KmsError } from "../kms/kms.ts";
import { ageMs, type DataKeyEntry, dataKeyName, type UnwrappedDataKey } from "./data-key-entry.ts";
import type { SealLimits } from "./limits.ts";
import type { DataKeyRef } from "./ports.ts";

/** Data keys in memory. */
export interface DataKeyCache {
  /** The key if it may be used at this moment, without waiting. It is refreshed behind the caller's back when its time draws near. */
  warm(ref: DataKeyRef): DataKeyEntry | undefined;
  /** The key, fetched if need be; callers who want the same key at once share one fetch. Throws what the fetch throws. */
  get(ref: DataKeyRef): Promise<DataKeyEntry>;
  /** Takes in a key that was just made. */
  put(ref: DataKeyRef, fetched: UnwrappedDataKey): void;
  /** Forgets one key. */
  forget(ref: DataKeyRef): void;
  /** Forgets every key of the account, what is on its way included. */
  evict(account: string): void;
  /** Forgets every key of every account, what is on its way included. */
  evictAll(): void;
  /** Drops keys that are past their hard life. */
  sweep(): void;
  readonly size: number;
  close(): void;
}

/** What the cache needs. */
export interface DataKeyCacheParts {
  /** Asks KMS. An `unavailable` error leaves a cached key usable, `denied` and `corrupt` evict it. */
  readonly fetch: (ref: DataKeyRef) => Promise<UnwrappedDataKey>;
  /** Whether KMS is known not to answer at this moment. */
  readonly kmsIsDown: () => boolean;
  readonly clock: Clock;
  /** Numbers in [0, 1), for jitter. */
  readonly random: () => number;
  readonly limits: SealLimits;
}

interface Flight {
  readonly account: string;
  promise?: Promise<DataKeyEntry>;
  /** Set when the key was evicted while it was on its way: what arrives then is not kept. */
  cancelled: boolean;
}

interface Refusal {
  readonly error: KmsError;
  readonly account: string;
  readonly untilMs: number;
}

/**
 * A key serves freely during its soft life. After that it serves only while KMS does not answer, and never past its hard life.
 * Any answer of KMS's that is not the key evicts at once, whatever the age.
 */
export function createDataKeyCache(parts: DataKeyCacheParts): DataKeyCache {
  const { clock, limits, random } = parts;
  const entries = new LRUCache<string, DataKeyEntry>({ max: limits.dataKeysMax });
  const refusals = new LRUCache<string, Refusal>({ max: limits.refusalsMax });
  const flights = new Map<string, Flight>();
  let closed = false;

  function newEntry(ref: DataKeyRef, fetched: UnwrappedDataKey): DataKeyEntry {
    const before = entries.peek(dataKeyName(ref));
    return {
      ...fetched,
      ref: { account: ref.account, dataKeyId: ref.dataKeyId, dataKeyVersion: ref.dataKeyVersion },
      // A refreshed key that is still the same one keeps what was derived from it.
      recordKeys: before?.key.equals(fetched.key) === true ? before.recordKeys : new Map(),
      fetchedMonotonicMs: clock.monotonicMs(),
      fetchedWallMs: clock.nowMs(),
      refreshAtAgeMs: limits.softLifeMs - limits.refreshAheadMs * (1 + random()),
      refreshBegunMs: Number.NEGATIVE_INFINITY,
      unansweredMs: Number.NEGATIVE_INFINITY,
    };
  }

  function put(ref: DataKeyRef, fetched: UnwrappedDataKey): DataKeyEntry {
    const entry = newEntry(ref, fetched);
    if (!closed) {
      entries.set(dataKeyName(ref), entry);
      refusals.delete(dataKeyName(ref));
    }
    return entry;
  }

  async function load(name: string, ref: DataKeyRef, flight: Flight): Promise<DataKeyEntry> {
    try {
      const fetched = await parts.fetch(ref);
      // What was evicted while it was on its way serves the callers who waited for it, and nobody after them.
      return flight.cancelled ? newEntry(ref, fetched) : put(ref, fetched);
    } catch (error) {
      const cached = flight.cancelled ? undefined : entries.peek(name);
      if (error instanceof KmsError && error.failure === "unavailable") {
        if (cached === undefined || ageMs(cached, clock) >= limits.hardLifeMs) throw error;
        cached.unansweredMs = clock.monotonicMs();
        return cached;
      }
      if (!flight.cancelled) refuseFor(name, ref, error);
      throw error;
    }
  }

  function refuseFor(name: string, ref: DataKeyRef, error: unknown): void {
    entries.delete(name);
    if (!(error instanceof KmsError)) return;
    const lastsMs = limits.refusalMinMs + random() * (limits.refusalMaxMs - limits.refusalMinMs);
    refusals.set(name, { error, account: ref.account, untilMs: clock.monotonicMs() + lastsMs });
  }

  function fly(name: string, ref: DataKeyRef): Promise<DataKeyEntry> {
    const running = flights.get(name);
    if (running?.promise !== undefined) return running.promise;
    const flight: Flight = { account: ref.account, cancelled: false };
    flights.set(name, flight);
    flight.promise = load(name, ref, flight).finally(() => {
      if (flights.get(name) === flight) flights.delete(name);
    });
    return flight.promise;
  }

  function cancel(name: string, flight: Flight | undefined): void {
    if (flight !== undefined) flight.cancelled = true;
    flights.delete(name);
  }

  function refreshBehind(name: string, entry: DataKeyEntry): void {
    const nowMs = clock.monotonicMs();
    if (nowMs - entry.refreshBegunMs < limits.refreshPauseMs || parts.kmsIsDown()) return;
    entry.refreshBegunMs = nowMs;
    // Whoever needs the key after a failed refresh learns of the failure then.
    fly(name, entry.ref).catch(() => {});
  }

  /** The cached entry if it may serve now. */
  function serving(name: string): DataKeyEntry | undefined {
    const entry = entries.get(name);
    if (entry === undefined) return undefined;
    const age = ageMs(entry, clock);
    if (age < limits.softLifeMs) {
      if (age >= entry.refreshAtAgeMs) refreshBehind(name, entry);
      return entry;
    }
    if (age >= limits.hardLifeMs) {
      entries.delete(name);
      return undefined;
    }
    if (clock.monotonicMs() - entry.unansweredMs >= limits.staleServeMs && !parts.kmsIsDown()) return undefined;
    refreshBehind(name, entry);
    return entry;
  }

  return {
    warm: (ref) => serving(dataKeyName(ref)),
    async get(ref) {
      const name = dataKeyName(ref);
      const entry = serving(name);
      if (entry !== undefined) return entry;
      const refusal = refusals.get(name);
      if (refusal !== undefined && clock.monotonicMs() < refusal.untilMs) throw refusal.error;
      return await fly(name, ref);
    },
    put,
    forget(ref) {
      const name = dataKeyName(ref);
      entries.delete(name);
      cancel(name, flights.get(name));
    },
    evict(account) {
      for (const [name, entry] of entries) if (entry.ref.account === account) entries.delete(name);
      for (const [name, refusal] of refusals) if (refusal.account === account) refusals.delete(name);
      for (const [name, flight] of flights) if (flight.account === account) cancel(name, flight);
    },
    evictAll() {
      for (const [name, flight] of flights) cancel(name, flight);
      entries.clear();
      refusals.clear();
    },
    sweep() {
      for (const [name, entry] of entries) if (ageMs(entry, clock) >= limits.hardLifeMs) entries.delete(name);
      for (const [name, refusal] of refusals) if (clock.monotonicMs() >= refusal.untilMs) refusals.delete(name);
    },
    get size() {
      return entries.size;
    },
    close() {
      closed = true;
      for (const [name, flight] of flights) cancel(name, flight);
      entries.clear();
      refusals.clear();
    },
  };
}
