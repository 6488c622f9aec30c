import type { AuditEvent } from "../../../audit/event.ts";
import type { WriteTransaction } from "../write-transaction.ts";

/** Appends events that accompany no other write: denials, and the service's own. */
export function appendAudit(tx: WriteTransaction, events: readonly AuditEvent[]): void {
  for (const event of events) tx.audit(event);
}
