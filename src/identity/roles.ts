/** What a caller may be. The mapping from SPIFFE ids is configuration (PLORI_ROLE_MAP). */
export const ROLES = ["agent-host", "settings", "scheduler", "recorder", "billing", "auditor", "admin"] as const;

/** A caller's role. */
export type Role = (typeof ROLES)[number];

/** Who calls: read from the client certificate once per connection. */
export interface Caller {
  /** The SPIFFE id, trust domain in lower case: "spiffe://dev.plori.internal/agent-host/agent-host-1". */
  readonly spiffeId: string;
  readonly role: Role;
  /** The id's last path segment; for agent hosts the host's id. */
  readonly name: string;
}
