import type { AuditEvent } from "../../../audit/event.ts";
import type { Canary } from "../../../keyvault/installation.ts";
import type { WriteTransaction } from "../write-transaction.ts";

/** Selects the installation's canary. */
export const SELECT_INSTALLATION = "SELECT value FROM installation WHERE name = 'canary'";

/** The canary that a row holds, or undefined when there is no row. */
export function toCanary(row: unknown): Canary | undefined {
  if (row === undefined) return undefined;
  const { value } = row as { value: Uint8Array };
  return JSON.parse(Buffer.from(value).toString("utf8")) as Canary;
}

/** A canary, with its audit record. */
export interface SetCanaryInput {
  readonly canary: Canary;
  readonly audit: AuditEvent;
}

/** Stores the canary unless there is one. Returns the stored one. */
export function setCanary(tx: WriteTransaction, { canary, audit }: SetCanaryInput): Canary {
  const stored = toCanary(tx.get(SELECT_INSTALLATION));
  if (stored !== undefined) return stored;
  tx.run("INSERT INTO installation (name, value) VALUES ('canary', ?)", Buffer.from(JSON.stringify(canary)));
  tx.audit(audit);
  return canary;
}
