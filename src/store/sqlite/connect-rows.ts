import type { ConnectState, StoredConnect } from "../../keyvault/connect-ports.ts";

/** Selects one connect; its row is read by `toStoredConnect`. */
export const SELECT_CONNECT = `SELECT account, connect_id AS connectId, state, expire_ms AS expireMs, claim_ms AS claimMs,
  data_key_id AS dataKeyId, data_key_version AS dataKeyVersion, sealed
  FROM openrouter_connect WHERE account = ? AND connect_id = ?`;

/** A connect as SQLite gives it. */
export interface ConnectRow {
  readonly account: string;
  readonly connectId: string;
  readonly state: ConnectState;
  readonly expireMs: bigint;
  readonly claimMs: bigint | null;
  readonly dataKeyId: string;
  readonly dataKeyVersion: bigint;
  readonly sealed: Uint8Array | null;
}

/** A row as the keyvault floor knows it. */
export function toStoredConnect(row: ConnectRow): StoredConnect {
  const { account, connectId, state, dataKeyId, sealed } = row;
  return {
    account,
    connectId,
    state,
    expireMs: Number(row.expireMs),
    ...(row.claimMs === null ? {} : { claimMs: Number(row.claimMs) }),
    ...(sealed === null
      ? {}
      : { sealedVerifier: { dataKeyId, dataKeyVersion: Number(row.dataKeyVersion), bytes: sealed } }),
  };
}
