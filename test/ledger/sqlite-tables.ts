import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RouteFacts } from "../../src/ledger/rows.ts";
import { type Difference, verifyAccount } from "../../src/ledger/verify-account.ts";
import {
  CHARGE_COLUMNS,
  GRANT_COLUMNS,
  HOLD_COLUMNS,
  POOL_COLUMNS,
  type StoredCharge,
  type StoredGrant,
  type StoredHold,
  type StoredPool,
  type StoredRollup,
  type StoredTransfer,
  TRANSFER_COLUMNS,
  toCharge,
  toGrant,
  toHold,
  toPool,
  toRollup,
  toTransfer,
} from "../../src/store/sqlite/ledger-rows.ts";
import { ledgerSet } from "../../src/store/sqlite/ledger-set.ts";
import { migrate } from "../../src/store/sqlite/migrate.ts";
import { type Connection, openWriter } from "../../src/store/sqlite/open-database.ts";
import { readAccountRows } from "../../src/store/sqlite/verify-ledger.ts";
import { WriteTransaction } from "../../src/store/sqlite/write-transaction.ts";
import type { Dump, TestLedger } from "./tables.ts";

const INSERT_ROUTE = `INSERT INTO route
  (route_id, account, agent, host, call_id, payer, provider, model, upstream_model, canonical_model, key_account, key_id, key_version, price_version,
   hold_id, create_ms, reuse_until_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'k', 'k', ?, ?, ?, ?, ?)`;

/** A ledger in a real SQLite file, without the writing thread between. */
export function sqliteLedger(): TestLedger {
  const dir = mkdtempSync(join(tmpdir(), "ledger-"));
  const db = openWriter(join(dir, "test.db"));
  migrate(db, 0);
  let tx = new WriteTransaction(db);
  return {
    batch(nowMs, decide) {
      tx.begin(nowMs);
      db.exec("BEGIN IMMEDIATE");
      try {
        const result = decide(ledgerSet(tx));
        tx.flush();
        db.exec("COMMIT");
        tx.committed();
        return result;
      } catch (error) {
        db.exec("ROLLBACK");
        tx.rolledBack();
        throw error;
      }
    },
    addRoute(route: RouteFacts) {
      db.prepare(INSERT_ROUTE).run(
        route.routeId,
        route.account,
        route.agent,
        route.host,
        route.callId,
        route.payer,
        route.provider,
        route.model,
        route.upstreamModel,
        route.canonicalModel,
        route.keyVersion,
        route.priceVersion,
        route.holdId ?? null,
        route.createMs,
        route.createMs,
      );
    },
    verify: (account) =>
      [...verifyAccount(readAccountRows(db, account))].filter((found): found is Difference => found !== undefined),
    dump: () => readDump(db),
    restart() {
      tx = new WriteTransaction(db);
    },
    close() {
      db.close();
      rmSync(dir, { recursive: true });
    },
  };
}

/** Everything that the ledger has stored in a database. */
export function readDump(db: Connection): Dump {
  return {
    pools: (db.prepare(`SELECT ${POOL_COLUMNS} FROM pool`).all() as StoredPool[]).map(toPool),
    grants: (db.prepare(`SELECT ${GRANT_COLUMNS} FROM credit_grant`).all() as StoredGrant[]).map(toGrant),
    holds: (db.prepare(`SELECT ${HOLD_COLUMNS} FROM hold`).all() as StoredHold[]).map(toHold),
    charges: (
      db.prepare(`SELECT ${CHARGE_COLUMNS} FROM charge ORDER BY account, sequence`).all() as StoredCharge[]
    ).map(toCharge),
    transfers: (
      db.prepare(`SELECT ${TRANSFER_COLUMNS} FROM transfer ORDER BY account, sequence`).all() as StoredTransfer[]
    ).map(toTransfer),
    rollups: (db.prepare("SELECT * FROM rollup").all() as StoredRollup[]).map(toRollup),
  };
}
