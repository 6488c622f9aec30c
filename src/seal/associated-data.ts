import { canonicalBytes } from "../base/canonical.ts";
import type { DataKeyRef, RecordIdentity } from "./ports.ts";
import { SUITE } from "./record.ts";

const DOMAIN = "plori/record/v1";

/**
 * The associated data of a record: everything that it is bound to, each field preceded by its length. The order and the domain stand for ever.
 * The provider's base URL is not among them: it comes from the provider table, never from the database.
 */
export function associatedData(environment: string, identity: RecordIdentity, dataKey: DataKeyRef): Buffer {
  return canonicalBytes([
    DOMAIN,
    SUITE,
    environment,
    identity.account,
    identity.provider,
    identity.keyVersion,
    identity.kind,
    dataKey.dataKeyId,
    dataKey.dataKeyVersion,
  ]);
}
