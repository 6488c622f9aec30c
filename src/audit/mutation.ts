import type { AuditEvent } from "./event.ts";

/** A request that its caller may send again under the same id. */
export interface RequestKey {
  /** The SPIFFE id of the caller. */
  readonly caller: string;
  /** The RPC's full name, for example "plori.keyvault.v1.KeyVaultService/ConnectKey". */
  readonly method: string;
  /** The account, or empty for RPCs that span accounts. */
  readonly account: string;
  /** The caller's UUID, in lower case. */
  readonly requestId: string;
  /** A hash of every field of the payload by its name, so that a conflict can name the fields that differ. Secrets by keyed hash. */
  readonly fieldHashes: Readonly<Record<string, string>>;
}

/** What every mutation brings into its own transaction: its audit record, and the request id under which its answer is kept. */
export interface Mutation {
  readonly audit: AuditEvent;
  readonly request?: RequestKey;
}

/**
 * Answers that were given before. Every mutating port method that takes a `Mutation` does this itself, inside its transaction; the port is for verbs
 * that must know before they do something outside the database (probe a provider, seal a secret).
 */
export interface RequestLog {
  /** The answer stored under the request's id, or undefined. Throws REQUEST_ID_CONFLICT (metadata `differing_fields`) when the payload differs. */
  find(request: RequestKey): Promise<unknown>;
}
