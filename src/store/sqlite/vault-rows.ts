import type { HeadEntry, HeadState, RemovedKey, VaultRow } from "../../keyvault/vault-ports.ts";
import { type SealedRow, toSealedRecord } from "./rows.ts";

/** A head as SQLite gives it. */
export interface HeadRow {
  readonly account: string;
  readonly epoch: bigint;
  readonly dataKeyVersion: bigint;
  readonly entries: string;
  readonly removed: string;
  readonly mac: Uint8Array;
}

/** Selects an account's head. */
export const SELECT_HEAD =
  "SELECT account, epoch, data_key_version AS dataKeyVersion, entries, removed, mac FROM vault_head WHERE account = ?";

/** Selects the last audit record that says something about an account's head. The kinds are spelt as in the index that serves it. */
export const SELECT_AUDITED_HEAD =
  "SELECT kind, details FROM audit WHERE account = ? " +
  "AND kind IN ('key.connected', 'account.key-resealed', 'account.head-renewed', 'account.shredded') ORDER BY seq DESC LIMIT 1";

/** The audit detail that records the epoch of the head that a change made. */
export const EPOCH_DETAIL = "head_epoch";

/** Selects an account's sealed keys, not interpreted. */
export const SELECT_VAULT_ROWS =
  "SELECT account, key_id AS keyId, provider, version, data_key_id AS dataKeyId, data_key_version AS dataKeyVersion, sealed " +
  "FROM provider_key WHERE account = ? ORDER BY key_id";

/** A sealed key as the keyvault floor knows it. */
export function toVaultRow(row: unknown): VaultRow {
  const { account, keyId, provider, version, ...sealed } = row as SealedRow & {
    readonly account: string;
    readonly keyId: string;
    readonly provider: string;
    readonly version: bigint;
  };
  return { account, keyId, provider, version: Number(version), sealed: toSealedRecord(sealed) };
}

/** The state of a head from its row and the last audit record, either of which may be missing. */
export function toHeadState(headRow: unknown, auditRow: unknown): HeadState {
  const auditedEpoch = toAuditedEpoch(auditRow);
  if (headRow === undefined) return { removed: [], auditedEpoch };
  const { account, epoch, dataKeyVersion, entries, removed, mac } = headRow as HeadRow;
  return {
    head: {
      account,
      epoch: Number(epoch),
      dataKeyVersion: Number(dataKeyVersion),
      entries: parseList(entries).map(toEntry),
      mac,
    },
    removed: parseList(removed).map(toRemoved),
    auditedEpoch,
  };
}

/** The keys noted as removed beside a head. */
export function removedOf(row: HeadRow | undefined): readonly RemovedKey[] {
  return row === undefined ? [] : parseList(row.removed).map(toRemoved);
}

/** A destroyed account begins anew: the epochs before do not count. */
function toAuditedEpoch(row: unknown): number {
  if (row === undefined) return 0;
  const { kind, details } = row as { kind: string; details: string };
  if (kind === "account.shredded") return 0;
  const epoch: unknown = (JSON.parse(details) as Record<string, unknown>)[EPOCH_DETAIL];
  return typeof epoch === "string" ? Number(epoch) : 0;
}

/** What was tampered with reads as nothing, and then no MAC holds; it never throws in the middle of a list. */
function parseList(text: string): readonly Partial<HeadEntry>[] {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

function toEntry(entry: Partial<HeadEntry> | null): HeadEntry {
  return { ...toRemoved(entry), digest: String(entry?.digest) };
}

function toRemoved(entry: Partial<HeadEntry> | null): RemovedKey {
  return { keyId: String(entry?.keyId), version: Number.isSafeInteger(entry?.version) ? Number(entry?.version) : 0 };
}
