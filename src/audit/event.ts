/** What happened. Closed: a new kind is added here first. */
export type AuditKind =
  | "key.connected"
  | "key.deleted"
  | "key.state-changed"
  | "key.verified"
  | "connect.begun"
  | "connect.claimed"
  | "connect.failed"
  | "credential.released"
  | "credential.denied"
  | "call.denied"
  | "agents.placed"
  | "agents.removed"
  | "identity.blocked"
  | "identity.unblocked"
  | "policy.updated"
  | "credits.granted"
  | "prices.published"
  | "prices.drafted"
  | "usage.recorded"
  | "hold.released"
  | "hold.extended"
  | "credits.voided"
  | "charge.reversed"
  | "data-key.created"
  | "data-key.rewrapped"
  | "data-keys.rewrap-begun"
  | "data-keys.evicted"
  | "account.key-rotated"
  | "account.key-resealed"
  | "account.head-renewed"
  | "account.shredded"
  | "record.refused"
  | "vault.verified"
  | "installation.sealed"
  | "service.started"
  | "secret.identified"
  | "audit.exported"
  | "audit.pruned";

/** One fact for the audit. Ids and words of ours only: never a secret, never another party's text. */
export interface AuditEvent {
  readonly kind: AuditKind;
  /** When, in milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** The SPIFFE id of the caller; the service's own word for itself when nobody called. */
  readonly caller: string;
  /** The end user or operator behind the call, as the caller named it; empty when it did not. */
  readonly actor: string;
  /** The account that it concerns; empty when it concerns several or none. */
  readonly account: string;
  /** The resource or id that it concerns, for example "accounts/a1/keys/openai". */
  readonly subject: string;
  /** Further facts, by name. */
  readonly details: Readonly<Record<string, string>>;
}
