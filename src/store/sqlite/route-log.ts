import type { Payer } from "../../base/provider.ts";
import type { RouteLog } from "../../router/ports.ts";
import type { Connection } from "./open-database.ts";
import { toProvider } from "./rows.ts";

interface RouteRow {
  readonly routeId: string;
  readonly account: string;
  readonly host: string;
  readonly callId: string;
  readonly payer: string;
  readonly provider: string;
  readonly upstreamModel: string;
  readonly keyAccount: string;
  readonly keyId: string;
  readonly keyVersion: bigint;
  readonly createMs: bigint;
}

/** Released routes in SQLite. */
export function createRouteLog(reader: Connection): RouteLog {
  const selectOne = reader.prepare(
    "SELECT route_id AS routeId, account, host, call_id AS callId, payer, provider, upstream_model AS upstreamModel, key_account AS keyAccount, " +
      "key_id AS keyId, key_version AS keyVersion, create_ms AS createMs FROM route WHERE route_id = ?",
  );
  return {
    async find(routeId) {
      const row = selectOne.get(routeId) as RouteRow | undefined;
      if (row === undefined) return undefined;
      return {
        ...row,
        payer: row.payer as Payer,
        provider: toProvider(row.provider),
        keyVersion: Number(row.keyVersion),
        createMs: Number(row.createMs),
      };
    },
  };
}
