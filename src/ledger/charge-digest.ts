import { hash } from "node:crypto";

/** One column of a row as it is stored. */
export type StoredValue = string | bigint | number | null;

/**
 * The digest of a charge's row: SHA-256, base64url, over the digest of the account's charge before it and every column of the row in a fixed order, each with its
 * length. An edited, removed or inserted row breaks the chain, whose end stands in the account's pool.
 */
export function chargeDigest(previous: string, columns: readonly StoredValue[]): string {
  let text = previous;
  for (const column of columns) {
    if (column === null) text += "\n-";
    else if (typeof column === "string") text += `\n${column.length}:${column}`;
    else text += `\n${column}`;
  }
  return hash("sha256", text, "base64url");
}
