import type { SealedRecord } from "../../../seal/ports.ts";
import type { WriteTransaction } from "../write-transaction.ts";

/** Counts a record, in the transaction that stores it, at the data key that sealed it. */
export function countSeal(
  tx: WriteTransaction,
  account: string,
  { dataKeyId, dataKeyVersion }: Pick<SealedRecord, "dataKeyId" | "dataKeyVersion">,
): void {
  tx.run(
    "UPDATE data_key SET seal_count = seal_count + 1 WHERE account = ? AND data_key_id = ? AND data_key_version = ?",
    account,
    dataKeyId,
    dataKeyVersion,
  );
}
