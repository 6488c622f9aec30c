import type { ShredCounts } from "../../keyvault/vault-ports.ts";

/** Selects what an account has in the vault. Takes `@account`. */
export const SELECT_VAULT_STATE =
  "SELECT (SELECT count(*) FROM provider_key WHERE account = @account) AS keyCount, " +
  "(SELECT count(*) FROM data_key WHERE account = @account) AS dataKeyCount, " +
  "(SELECT coalesce(max(data_key_version), 0) FROM data_key WHERE account = @account) AS dataKeyVersion, " +
  "(SELECT epoch FROM vault_head WHERE account = @account) AS epoch, " +
  "(SELECT json_array_length(removed) FROM vault_head WHERE account = @account) AS removedCount, " +
  "(SELECT coalesce(sum(last_version), 0) FROM data_key_destroyed WHERE account = @account) AS destroyed";

/** What an account has in the vault. */
export interface VaultState extends ShredCounts {
  readonly counters: readonly bigint[];
}

/** The row of `SELECT_VAULT_STATE`. */
export function toVaultState(row: unknown): VaultState {
  const state = row as Record<"keyCount" | "dataKeyCount" | "dataKeyVersion" | "destroyed", bigint> &
    Record<"epoch" | "removedCount", bigint | null>;
  const { keyCount, dataKeyCount, dataKeyVersion, epoch, removedCount, destroyed } = state;
  return {
    keyCount: Number(keyCount),
    dataKeyCount: Number(dataKeyCount),
    counters: [epoch ?? 0n, removedCount ?? 0n, keyCount, dataKeyCount, dataKeyVersion, destroyed],
  };
}

/** Changes with every key that comes or goes, every rotation and every destruction. */
export function vaultEtag({ counters }: VaultState): string {
  return counters.join(".");
}
