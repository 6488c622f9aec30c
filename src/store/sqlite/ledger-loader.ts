import type { LedgerLoader, Repayment } from "../../ledger/loader.ts";
import {
  CHARGE_COLUMNS,
  GRANT_COLUMNS,
  HOLD_COLUMNS,
  POOL_COLUMNS,
  PRICE_ITEM_COLUMNS,
  PRICE_VERSION_COLUMNS,
  ROUTE_FACTS_COLUMNS,
  type StoredCharge,
  type StoredGrant,
  type StoredHold,
  type StoredPool,
  type StoredPriceItem,
  type StoredPriceVersion,
  type StoredRouteFacts,
  toCharge,
  toGrant,
  toHold,
  toPool,
  toPriceVersion,
  toRouteFacts,
} from "./ledger-rows.ts";
import type { Connection } from "./open-database.ts";

/**
 * Reads the ledger's rows as this connection sees them. The indexes are named, because without statistics SQLite prefers a primary key's prefix, and would
 * walk through everything that an account ever did.
 */
export function createLedgerLoader(db: Connection): LedgerLoader {
  const pool = db.prepare(`SELECT ${POOL_COLUMNS} FROM pool WHERE account = ?`);
  const grants = db.prepare(
    `SELECT ${GRANT_COLUMNS} FROM credit_grant INDEXED BY credit_grant_unspent WHERE account = ? AND remaining_nano > 0`,
  );
  const openHolds = db.prepare(
    `SELECT ${HOLD_COLUMNS} FROM hold INDEXED BY hold_open_account WHERE account = ? AND state = 'OPEN' ORDER BY expire_ms, hold_id`,
  );
  const hold = db.prepare(`SELECT ${HOLD_COLUMNS} FROM hold WHERE account = ? AND hold_id = ?`);
  // Most calls have none yet: a bare look into the index is ten times as fast as asking SQLite for the newest row.
  const holdsOfCall = db
    .prepare("SELECT hold_id FROM hold INDEXED BY hold_call WHERE account = ? AND call_id = ?")
    .pluck();
  const holdsOfHost = db.prepare(
    "SELECT hold_id AS holdId, expire_ms AS expireMs FROM hold INDEXED BY hold_open_host WHERE host = ? AND state = 'OPEN' ORDER BY expire_ms",
  );
  const byUsage = db.prepare(
    `SELECT ${CHARGE_COLUMNS} FROM charge WHERE account = ? AND kind = ? AND usage_id = ? AND usage_id <> ''`,
  );
  const byCall = db.prepare(
    `SELECT ${CHARGE_COLUMNS} FROM charge WHERE account = ? AND call_id = ? AND attempt = ? AND attempt > 0`,
  );
  const bySequence = db.prepare(`SELECT ${CHARGE_COLUMNS} FROM charge WHERE account = ? AND sequence = ?`);
  const reversal = db.prepare(
    `SELECT ${CHARGE_COLUMNS} FROM charge WHERE account = ? AND reverses = ? AND reverses > 0`,
  );
  const grant = db.prepare(`SELECT ${GRANT_COLUMNS} FROM credit_grant WHERE account = ? AND grant_id = ?`);
  const repayments = db.prepare(
    `SELECT debit, credit, amount_nano AS amountNano, code FROM transfer INDEXED BY transfer_repayment
     WHERE account = ? AND code IN ('REPAYMENT', 'REPAYMENT_RETURN') ORDER BY sequence`,
  );
  const route = db.prepare(`SELECT ${ROUTE_FACTS_COLUMNS} FROM route WHERE route_id = ?`);
  const versions = db.prepare(`SELECT ${PRICE_VERSION_COLUMNS} FROM price_version ORDER BY version`);
  const items = db.prepare(
    `SELECT ${PRICE_ITEM_COLUMNS} FROM price_item WHERE version = ? ORDER BY component, provider, model, min_input_tokens`,
  );
  return {
    pool(account) {
      const row = pool.get(account) as StoredPool | undefined;
      return row === undefined ? undefined : toPool(row);
    },
    grants: (account) => (grants.all(account) as StoredGrant[]).map(toGrant),
    grant(account, grantId) {
      const row = grant.get(account, grantId) as StoredGrant | undefined;
      return row === undefined ? undefined : toGrant(row);
    },
    repayments: (account) => repayments.all(account) as Repayment[],
    openHolds: (account) => (openHolds.all(account) as StoredHold[]).map(toHold),
    hold(account, holdId) {
      const row = hold.get(account, holdId) as StoredHold | undefined;
      return row === undefined ? undefined : toHold(row);
    },
    holdByCall(account, callId) {
      const newest = (holdsOfCall.all(account, callId) as string[]).sort().at(-1);
      const row = newest === undefined ? undefined : (hold.get(account, newest) as StoredHold | undefined);
      return row === undefined ? undefined : toHold(row);
    },
    openHoldsOfHost: (host) =>
      (holdsOfHost.all(host) as { holdId: string; expireMs: bigint }[]).map(({ holdId, expireMs }) => ({
        holdId,
        expireMs: Number(expireMs),
      })),
    chargeByUsage(account, kind, usageId) {
      const row = byUsage.get(account, kind, usageId) as StoredCharge | undefined;
      return row === undefined ? undefined : toCharge(row);
    },
    chargeByCall(account, callId, attempt) {
      const row = byCall.get(account, callId, attempt) as StoredCharge | undefined;
      return row === undefined ? undefined : toCharge(row);
    },
    chargeBySequence(account, sequence) {
      const row = bySequence.get(account, sequence) as StoredCharge | undefined;
      return row === undefined ? undefined : toCharge(row);
    },
    reversalOf(account, sequence) {
      const row = reversal.get(account, sequence) as StoredCharge | undefined;
      return row === undefined ? undefined : toCharge(row);
    },
    route(account, routeId) {
      const row = route.get(routeId) as StoredRouteFacts | undefined;
      return row === undefined || row.account !== account ? undefined : toRouteFacts(row);
    },
    priceVersions: () => (versions.all() as StoredPriceVersion[]).map(toPriceVersion),
    priceItems: (version) => items.all(version) as StoredPriceItem[],
  };
}
