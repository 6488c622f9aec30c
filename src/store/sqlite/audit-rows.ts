import type { ReleaseRecord, StoredSigningKey } from "../../audit/ports.ts";
import type { StoredRecord } from "../../audit/verify.ts";
import { toProvider } from "./rows.ts";

/** The columns of an audit record. */
export const AUDIT_COLUMNS = "seq, writer, time_ms AS timeMs, kind, caller, actor, account, subject, details, hash";

/** An audit record as SQLite gives it. */
export type AuditRow = Omit<StoredRecord, "timeMs"> & { readonly timeMs: bigint };

/** A row as the audit floor knows it. */
export function toStoredRecord(row: AuditRow): StoredRecord {
  return { ...row, timeMs: Number(row.timeMs) };
}

/** Selects signing keys. */
export const SELECT_SIGNING_KEYS =
  "SELECT version, data_key_id AS dataKeyId, data_key_version AS dataKeyVersion, sealed FROM audit_signing_key";

/** A signing key as SQLite gives it. */
export interface SigningKeyRow {
  readonly version: bigint;
  readonly dataKeyId: string;
  readonly dataKeyVersion: bigint;
  readonly sealed: Uint8Array;
}

/** A row as the audit floor knows it. */
export function toSigningKey({ version, dataKeyId, dataKeyVersion, sealed }: SigningKeyRow): StoredSigningKey {
  return { version: Number(version), sealed: { dataKeyId, dataKeyVersion: Number(dataKeyVersion), bytes: sealed } };
}

/** The columns of a route that tell of its release. */
export const RELEASE_COLUMNS =
  "seq, route_id AS routeId, account, agent, host, call_id AS callId, payer, provider, model, upstream_model AS upstreamModel, " +
  "key_account AS keyAccount, key_id AS keyId, key_version AS keyVersion, create_ms AS timeMs, reuse_until_ms AS untilMs";

/** A release as SQLite gives it. */
export type ReleaseRow = Omit<ReleaseRecord, "keyVersion" | "timeMs" | "untilMs" | "provider"> & {
  readonly provider: string;
  readonly keyVersion: bigint;
  readonly timeMs: bigint;
  readonly untilMs: bigint;
};

/** A row as the audit floor knows it. */
export function toReleaseRecord(row: ReleaseRow): ReleaseRecord {
  return {
    ...row,
    provider: toProvider(row.provider),
    keyVersion: Number(row.keyVersion),
    timeMs: Number(row.timeMs),
    untilMs: Number(row.untilMs),
  };
}
