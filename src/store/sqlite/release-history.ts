import { setImmediate } from "node:timers/promises";
import type { FingerprintedKey, Holder, ReleaseHistory, ReleaseRecord } from "../../audit/ports.ts";
import { PLATFORM_ACCOUNT } from "../../base/provider.ts";
import { TERMS } from "./audit-postings.ts";
import { RELEASE_COLUMNS, type ReleaseRow, toReleaseRecord } from "./audit-rows.ts";
import { segments } from "./audit-segments.ts";
import { SEGMENTS_PER_PAGE_MAX } from "./audit-store.ts";
import type { Connection } from "./open-database.ts";
import { toProvider } from "./rows.ts";

const SEQ_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const RELEASED = TERMS.kind("credential.released");

/** Who was given which key version, found through the audit's segments: a route and its audit record are written together. */
export function createReleaseHistory(reader: Connection): ReleaseHistory {
  const selectNewest = reader.prepare(
    `SELECT ${RELEASE_COLUMNS} FROM route WHERE seq >= ? AND seq < ? AND create_ms >= ? AND create_ms < ?
      AND (? = '' OR account = ? OR key_account = ?) AND (? = '' OR key_account = ?) AND (? = '' OR host = ?)
      ORDER BY seq DESC LIMIT ?`,
  );
  const selectHolders = reader.prepare(
    `SELECT host, min(create_ms) AS firstMs, max(create_ms) AS lastMs, count(*) AS releases FROM route
      WHERE seq >= ? AND seq <= ? AND key_account = ? AND key_id = ? AND key_version = ? GROUP BY host`,
  );
  const selectFingerprint = reader.prepare(
    `SELECT f.account, f.key_id AS keyId, f.version, f.provider, f.connect_ms AS connectMs, k.version IS NOT NULL AS isCurrent
      FROM key_fingerprint f LEFT JOIN provider_key k ON k.account = f.account AND k.key_id = f.key_id AND k.version = f.version
      WHERE f.fingerprint = ? ORDER BY f.account, f.key_id, f.version LIMIT ?`,
  );
  const selectSegmentOf = reader.prepare("SELECT max(segment) AS segment FROM audit_segment WHERE first_route_seq < ?");

  return {
    async newestReleases(filter, before, limit) {
      const { account = "", keyAccount = "", host = "", startMs = 0, endMs = Number.MAX_SAFE_INTEGER } = filter;
      // The platform's keys are released for everybody's accounts, so their segments are not known by it.
      const isKnown = account !== "" && account !== PLATFORM_ACCOUNT;
      const terms = [
        RELEASED,
        ...(isKnown ? [TERMS.account(account)] : []),
        ...(host === "" ? [] : [TERMS.caller(host)]),
      ];
      const from =
        before === undefined ? undefined : (selectSegmentOf.get(before) as { segment: bigint | null }).segment;
      if (from === null) return { items: [] };
      const items: ReleaseRecord[] = [];
      let end = before ?? SEQ_MAX;
      let looked = 0;
      for (const { firstRouteSeq, lastRouteSeq } of segments(reader, { terms, startMs, endMs }, "newest", from)) {
        const values = [account, account, account, keyAccount, keyAccount, host, host];
        if (lastRouteSeq !== null && lastRouteSeq < end) end = lastRouteSeq + 1n;
        const rows = selectNewest.all(firstRouteSeq, end, startMs, endMs, ...values, limit - items.length);
        items.push(...(rows as ReleaseRow[]).map(toReleaseRecord));
        const last = items.at(-1);
        if (items.length === limit && last !== undefined) return { items, before: last.seq };
        if (firstRouteSeq < end) end = firstRouteSeq;
        looked += 1;
        if (looked === SEGMENTS_PER_PAGE_MAX) return { items, before: end };
        await setImmediate();
      }
      return { items };
    },
    async keysWithFingerprint(fingerprint, limit) {
      const rows = selectFingerprint.all(fingerprint, limit) as (Omit<
        FingerprintedKey,
        "version" | "connectMs" | "isCurrent" | "provider"
      > & { provider: string; version: bigint; connectMs: bigint; isCurrent: bigint })[];
      return rows.map(({ provider, version, connectMs, isCurrent, ...row }) => ({
        ...row,
        provider: toProvider(provider),
        version: Number(version),
        connectMs: Number(connectMs),
        isCurrent: isCurrent === 1n,
      }));
    },
    async holders({ account, keyId, version }, sinceMs, signal) {
      const terms = account === PLATFORM_ACCOUNT ? [RELEASED] : [RELEASED, TERMS.account(account)];
      const byHost = new Map<string, Holder>();
      let next = 0n;
      for (const { firstRouteSeq, lastRouteSeq } of segments(reader, { terms, startMs: sinceMs }, "oldest")) {
        signal.throwIfAborted();
        const first = firstRouteSeq > next ? firstRouteSeq : next;
        const last = lastRouteSeq ?? SEQ_MAX;
        for (const row of selectHolders.all(first, last, account, keyId, version) as HolderRow[]) {
          const known = byHost.get(row.host);
          byHost.set(row.host, {
            host: row.host,
            firstMs: Math.min(known?.firstMs ?? Number.MAX_SAFE_INTEGER, Number(row.firstMs)),
            lastMs: Math.max(known?.lastMs ?? 0, Number(row.lastMs)),
            releases: (known?.releases ?? 0n) + row.releases,
          });
        }
        next = last + 1n;
        await setImmediate();
      }
      return [...byHost.values()].sort((a, b) => (a.host < b.host ? -1 : 1));
    },
  };
}

interface HolderRow {
  readonly host: string;
  readonly firstMs: bigint;
  readonly lastMs: bigint;
  readonly releases: bigint;
}
