import type { AuditEvent } from "../../src/audit/event.ts";
import { refuse } from "../../src/base/errors.ts";
import { etagOf, type KeyRecord, type KeyStore, type NewKey } from "../../src/keyvault/ports.ts";
import type { KeyDirectory } from "../../src/router/ports.ts";
import { createMemoryRequests } from "./memory-requests.ts";

/** A key store in memory, with what a test wants to look at. */
export interface MemoryKeyStore {
  readonly store: KeyStore;
  readonly directory: KeyDirectory;
  /** The audit records of the mutations that took place, in order. */
  readonly audit: readonly AuditEvent[];
}

/** An empty key store. */
export function createMemoryKeyStore(): MemoryKeyStore {
  const keys = new Map<string, NewKey>();
  const dueMs = new Map<string, number>();
  const versions = new Map<string, number>();
  const audit: AuditEvent[] = [];
  const requests = createMemoryRequests();
  const of = (account: string) => [...keys.values()].filter(({ record }) => record.account === account);
  const store: KeyStore = {
    async find(account, keyId) {
      return keys.get(`${account}/${keyId}`)?.record;
    },
    async list(account, limit, afterKeyId) {
      const after = of(account).filter(({ record }) => record.keyId > afterKeyId);
      after.sort((a, b) => (a.record.keyId < b.record.keyId ? -1 : 1));
      return after.slice(0, limit).map(({ record }) => record);
    },
    async lastVersion(account, provider) {
      return versions.get(`${account}/${provider}`) ?? 0;
    },
    async put(key, mutation) {
      const before = requests.find(mutation.request);
      if (before !== undefined) return before.answer as KeyRecord;
      const { record, replacesVersion } = key;
      const name = `${record.account}/${record.keyId}`;
      const counter = `${record.account}/${record.provider}`;
      if ((keys.get(name)?.record.version ?? 0) !== replacesVersion) return "raced";
      if (record.version <= (versions.get(counter) ?? 0)) return "raced";
      keys.set(name, key);
      dueMs.set(name, key.probeDueMs);
      versions.set(counter, record.version);
      audit.push(mutation.audit);
      requests.keep(mutation.request, record);
      return record;
    },
    async delete(account, keyId, etag, mutation) {
      const before = requests.find(mutation.request);
      if (before !== undefined) return before.answer as KeyRecord;
      const key = keys.get(`${account}/${keyId}`);
      if (key === undefined) throw refuse("KEY_NOT_FOUND", "The account has no such key.");
      if (etag !== "" && etag !== etagOf(key.record)) throw refuse("ETAG_MISMATCH", "The key changed. Read it again.");
      keys.delete(`${account}/${keyId}`);
      dueMs.delete(`${account}/${keyId}`);
      audit.push(mutation.audit);
      requests.keep(mutation.request, key.record);
      return key.record;
    },
    async load(account, keyId) {
      return keys.get(`${account}/${keyId}`);
    },
    async setState({ account, keyId, version, revision, standing, probeDueMs }, mutation) {
      const before = requests.find(mutation?.request);
      if (before !== undefined) return before.answer as KeyRecord;
      const name = `${account}/${keyId}`;
      const key = keys.get(name);
      if (key?.record.version !== version || key.record.revision !== revision) return "raced";
      const { provider, source, createMs, hosts, lastUsedMs } = key.record;
      const record: KeyRecord = {
        account,
        keyId,
        version,
        provider,
        source,
        createMs,
        ...(hosts === undefined ? {} : { hosts }),
        ...(lastUsedMs === undefined ? {} : { lastUsedMs }),
        revision: revision + 1,
        ...standing,
      };
      keys.set(name, { ...key, record });
      dueMs.set(name, probeDueMs);
      if (mutation !== undefined) audit.push(mutation.audit);
      requests.keep(mutation?.request, record);
      return record;
    },
    async dueProbes(nowMs, limit) {
      return [...dueMs]
        .filter(([, atMs]) => atMs <= nowMs)
        .sort(([, a], [, b]) => a - b)
        .slice(0, limit)
        .flatMap(([name]) => {
          const record = keys.get(name)?.record;
          return record === undefined
            ? []
            : [{ account: record.account, keyId: record.keyId, version: record.version }];
        });
    },
    async deferProbe({ account, keyId, version }, atMs) {
      if (keys.get(`${account}/${keyId}`)?.record.version === version) dueMs.set(`${account}/${keyId}`, atMs);
    },
    async findAnswer(request) {
      return requests.find(request)?.answer as KeyRecord | undefined;
    },
  };
  const directory: KeyDirectory = {
    async keysOf(account) {
      return of(account).map(({ record, sealed }) => ({
        account,
        keyId: record.keyId,
        provider: record.provider,
        version: record.version,
        state: record.state,
        ...(record.stateUntilMs === undefined ? {} : { stateUntilMs: record.stateUntilMs }),
        ...(record.modelLimits === undefined ? {} : { modelLimits: record.modelLimits }),
        ...(record.hosts === undefined ? {} : { hosts: record.hosts }),
        sealed,
      }));
    },
  };
  return { store, directory, audit };
}
