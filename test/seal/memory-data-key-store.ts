import { dataKeyName } from "../../src/seal/data-key-entry.ts";
import type { DataKeyStore, WrappedDataKey } from "../../src/seal/ports.ts";

/** A store of wrapped data keys in memory. Tests may reach into `rows` as someone with write access to the database would. */
export function createMemoryDataKeyStore(): DataKeyStore & { readonly rows: Map<string, WrappedDataKey> } {
  const rows = new Map<string, WrappedDataKey>();
  return {
    rows,
    find: async (ref) => rows.get(dataKeyName(ref)),
    async newest(account, dataKeyId) {
      const versions = [...rows.values()].filter((row) => row.account === account && row.dataKeyId === dataKeyId);
      return versions.sort((a, b) => b.dataKeyVersion - a.dataKeyVersion)[0];
    },
    async lastVersion(account, dataKeyId) {
      const versions = [...rows.values()].filter((row) => row.account === account && row.dataKeyId === dataKeyId);
      return Math.max(0, ...versions.map((row) => row.dataKeyVersion));
    },
    async insert(key) {
      const name = dataKeyName(key);
      const stored = rows.get(name) ?? { ...key, wrapped: Uint8Array.from(key.wrapped) };
      rows.set(name, stored);
      return stored;
    },
  };
}
