import { refuse } from "../../base/errors.ts";
import { PROVIDERS, type Provider } from "../../base/provider.ts";
import type { KeyLimits, KeyRecord, KeySource, KeyState } from "../../keyvault/ports.ts";
import type { Placement } from "../../router/ports.ts";
import type { SealedRecord, WrappedDataKey } from "../../seal/ports.ts";

/** The columns of a data key, named as its row type names them. */
export const DATA_KEY_COLUMNS =
  "account, data_key_id AS dataKeyId, data_key_version AS dataKeyVersion, kms_key_arn AS kmsKeyArn, wrapped, create_ms AS createMs";

/** A data key as SQLite gives it. */
export interface DataKeyRow {
  readonly account: string;
  readonly dataKeyId: string;
  readonly dataKeyVersion: bigint;
  readonly kmsKeyArn: string;
  readonly wrapped: Uint8Array;
  readonly createMs: bigint;
}

/** A row as the seal floor knows it. */
export function toWrappedDataKey(row: DataKeyRow): WrappedDataKey {
  return { ...row, dataKeyVersion: Number(row.dataKeyVersion), createMs: Number(row.createMs) };
}

/** Selects the highest version of a data key that an account ever had; `lastDataKeyVersion` reads its row. */
export const SELECT_LAST_DATA_KEY =
  "SELECT max(coalesce((SELECT max(data_key_version) FROM data_key WHERE account = @account AND data_key_id = @dataKeyId), 0), " +
  "coalesce((SELECT last_version FROM data_key_destroyed WHERE account = @account AND data_key_id = @dataKeyId), 0)) AS lastVersion";

/** What `SELECT_LAST_DATA_KEY` found. */
export function lastDataKeyVersion(row: unknown): number {
  return Number((row as { lastVersion: bigint }).lastVersion);
}

/** The columns of a key without its sealed bytes. */
export const KEY_COLUMNS =
  "account, key_id AS keyId, provider, version, revision, source, state, state_reason AS stateReason, state_until_ms AS stateUntilMs, " +
  "limit_usd_nano AS limitUsdNano, remaining_usd_nano AS remainingUsdNano, limit_expire_ms AS limitExpireMs, create_ms AS createMs, " +
  "verify_ms AS verifyMs, last_used_ms AS lastUsedMs, state_from AS stateFrom, strikes, model_limits AS modelLimits, hosts";

/** A key's sealed bytes and what they need. */
export const SEALED_COLUMNS = "data_key_id AS dataKeyId, data_key_version AS dataKeyVersion, sealed";

/** A key as SQLite gives it. */
export interface KeyRow {
  readonly account: string;
  readonly keyId: string;
  readonly provider: string;
  readonly version: bigint;
  readonly revision: bigint;
  readonly source: string;
  readonly state: string;
  readonly stateReason: string;
  readonly stateUntilMs: bigint | null;
  readonly limitUsdNano: bigint | null;
  readonly remainingUsdNano: bigint | null;
  readonly limitExpireMs: bigint | null;
  readonly createMs: bigint;
  readonly verifyMs: bigint | null;
  readonly lastUsedMs: bigint | null;
  readonly stateFrom: string;
  readonly strikes: bigint;
  /** JSON, or empty. */
  readonly modelLimits: string;
  /** JSON, or empty. */
  readonly hosts: string;
}

/** A key's sealed bytes as SQLite gives them. */
export interface SealedRow {
  readonly dataKeyId: string;
  readonly dataKeyVersion: bigint;
  readonly sealed: Uint8Array;
}

/** A row as the keyvault floor knows it. The values were checked when they were written; an unknown provider is a fault of ours. */
export function toKeyRecord(row: KeyRow): KeyRecord {
  const limits = toLimits(row);
  return {
    account: row.account,
    keyId: row.keyId,
    provider: toProvider(row.provider),
    version: Number(row.version),
    revision: Number(row.revision),
    source: row.source as KeySource,
    state: row.state as KeyState,
    stateReason: row.stateReason,
    ...(row.stateUntilMs === null ? {} : { stateUntilMs: Number(row.stateUntilMs) }),
    ...(limits === undefined ? {} : { limits }),
    createMs: Number(row.createMs),
    ...(row.verifyMs === null ? {} : { verifyMs: Number(row.verifyMs) }),
    ...(row.lastUsedMs === null ? {} : { lastUsedMs: Number(row.lastUsedMs) }),
    ...(row.stateFrom === "REPORT" ? { stateFrom: "REPORT" as const } : {}),
    ...(row.strikes === 0n ? {} : { strikes: Number(row.strikes) }),
    ...(row.modelLimits === "" ? {} : { modelLimits: JSON.parse(row.modelLimits) as Record<string, number> }),
    ...(row.hosts === "" ? {} : { hosts: JSON.parse(row.hosts) as string[] }),
  };
}

/** The sealed record of a row. */
export function toSealedRecord(row: SealedRow): SealedRecord {
  return { dataKeyId: row.dataKeyId, dataKeyVersion: Number(row.dataKeyVersion), bytes: row.sealed };
}

function toLimits(row: KeyRow): KeyLimits | undefined {
  if (row.limitUsdNano === null && row.remainingUsdNano === null && row.limitExpireMs === null) return undefined;
  return {
    ...(row.limitUsdNano === null ? {} : { limitUsdNano: row.limitUsdNano }),
    ...(row.remainingUsdNano === null ? {} : { remainingUsdNano: row.remainingUsdNano }),
    ...(row.limitExpireMs === null ? {} : { expireMs: Number(row.limitExpireMs) }),
  };
}

/** Holds for rows that name a provider of ours. One that does not was not written by this service, and must not break a list of others. */
export const IS_READABLE = `provider IN (${PROVIDERS.map((provider) => `'${provider}'`).join(", ")})`;

/** The stored slug as a provider. Throws RECORD_CORRUPT for one that this version does not know. */
export function toProvider(slug: string): Provider {
  const provider = PROVIDERS.find((known) => known === slug);
  if (provider === undefined) throw refuse("RECORD_CORRUPT", "A stored key names a provider that does not exist.");
  return provider;
}

/** The columns of a placement. */
export const PLACEMENT_COLUMNS = "account, agent, host, generation, expire_ms AS expireMs";

/** A placement as SQLite gives it. */
export interface PlacementRow {
  readonly account: string;
  readonly agent: string;
  readonly host: string;
  readonly generation: bigint;
  readonly expireMs: bigint;
}

/** A row as the router floor knows it. */
export function toPlacement(row: PlacementRow): Placement {
  return { ...row, expireMs: Number(row.expireMs) };
}
