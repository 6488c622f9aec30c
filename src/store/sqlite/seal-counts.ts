import type { VaultStore } from "../../keyvault/vault-ports.ts";
import { SEALS_PER_DATA_KEY_MAX } from "../../seal/limits.ts";
import type { Connection } from "./open-database.ts";

/** Accounts whose newest data key has sealed enough, by way of `data_key_worn`: the number must stand there as it stands here. */
const SELECT_WORN = `SELECT DISTINCT account FROM data_key AS d WHERE seal_count >= ${SEALS_PER_DATA_KEY_MAX} AND account > ?
  AND data_key_version = (SELECT max(n.data_key_version) FROM data_key n WHERE n.account = d.account AND n.data_key_id = d.data_key_id)
  ORDER BY account LIMIT ?`;

/** The part of the vault's store that knows how much each data key has sealed. */
export function createSealCounts(reader: Connection): Pick<VaultStore, "accountsToRotate" | "mostSeals"> {
  const selectWorn = reader.prepare(SELECT_WORN);
  const selectMost = reader.prepare("SELECT coalesce(max(seal_count), 0) AS most FROM data_key");
  return {
    async accountsToRotate(after, limit) {
      return selectWorn.all(after, limit).map((row) => (row as { account: string }).account);
    },
    async mostSeals() {
      return Number((selectMost.get() as { most: bigint }).most);
    },
  };
}
