import { LIMITS } from "../../../base/limits.ts";
import type { RevocationCause } from "../../../router/revocation-ports.ts";
import type { WriteTransaction } from "../write-transaction.ts";

const INSERT =
  "INSERT INTO revocation (host, account, agent, key_id, key_version, cause, time_ms) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING seq";

/** Which of an account's leases are revoked. */
export interface AccountRevocation {
  readonly account: string;
  readonly cause: RevocationCause;
  /** Absent: whichever key they are for. */
  readonly keyId?: string;
  /** This version or an older one. Absent: all. */
  readonly keyVersion?: number;
}

/**
 * Revokes leases of an account, on every host that may hold one, in the current transaction. Call it in the command that makes the leases wrong, before or
 * after its own rows; not for a request that was answered before.
 */
export function revokeAccountLeases(tx: WriteTransaction, revocation: AccountRevocation): void {
  const { account, cause, keyId = "", keyVersion = 0 } = revocation;
  const hosts = tx.all(
    "SELECT DISTINCT host FROM placement WHERE account = ? AND expire_ms > ?",
    account,
    leaseMayLiveAfterMs(tx),
  ) as { host: string }[];
  for (const { host } of hosts) insert(tx, host, { account, agent: "", keyId, keyVersion, cause });
}

/** Revokes the leases that one host holds for one agent, unless the placement that they rest on ended too long ago. */
export function revokeAgentLeases(
  tx: WriteTransaction,
  placement: { readonly account: string; readonly agent: string; readonly host: string; readonly expireMs: bigint },
  cause: "AGENT_REMOVED" | "AGENT_MOVED",
): void {
  const { account, agent, host, expireMs } = placement;
  if (expireMs <= leaseMayLiveAfterMs(tx)) return;
  insert(tx, host, { account, agent, keyId: "", keyVersion: 0, cause });
}

/** Revokes everything that a host holds. */
export function revokeHostLeases(tx: WriteTransaction, host: string, cause: "IDENTITY_BLOCKED"): void {
  insert(tx, host, { account: "", agent: "", keyId: "", keyVersion: 0, cause });
}

/** A placement that ended before this time has no lease any more, even on a host whose clock is behind. */
function leaseMayLiveAfterMs(tx: WriteTransaction): number {
  return tx.wallMs - LIMITS.leaseSkewMs;
}

interface NewRevocation {
  readonly account: string;
  readonly agent: string;
  readonly keyId: string;
  readonly keyVersion: number;
  readonly cause: RevocationCause;
}

function insert(tx: WriteTransaction, host: string, revocation: NewRevocation): void {
  const { account, agent, keyId, keyVersion, cause } = revocation;
  tx.dirty = true;
  const { seq } = tx.get(INSERT, host, account, agent, keyId, keyVersion, cause, tx.nowMs) as { seq: bigint };
  tx.news.note({ feed: "revocations", topic: host, seq });
}

/** Revocations forgotten in one command, at most. */
const SWEEP_ROWS_MAX = 5_000;

/** Forgets revocations of leases that have ended by themselves. Returns whether some are left to forget. */
export function sweepRevocations(tx: WriteTransaction): boolean {
  // In the order of their numbers they are in the order of their times, too.
  const cutoffMs = tx.nowMs - LIMITS.byokReuseMs - LIMITS.leaseSkewMs;
  const { seq, count } = tx.get(
    "SELECT max(seq) AS seq, count(*) AS count FROM (SELECT seq FROM revocation WHERE time_ms < ? ORDER BY seq LIMIT ?)",
    cutoffMs,
    SWEEP_ROWS_MAX,
  ) as { seq: bigint | null; count: bigint };
  if (seq === null) return false;
  tx.run("DELETE FROM revocation WHERE seq <= ?", seq);
  tx.run("UPDATE revocation_base SET seq = ?", seq);
  return count === BigInt(SWEEP_ROWS_MAX);
}
