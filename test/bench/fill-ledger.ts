import { addToRollup } from "../../src/ledger/rollup.ts";
import type { ChargeRow, RollupRow } from "../../src/ledger/rows.ts";
import { WorkingSet } from "../../src/ledger/working-set.ts";
import { createLedgerLoader } from "../../src/store/sqlite/ledger-loader.ts";
import { createLedgerWriter } from "../../src/store/sqlite/ledger-writes.ts";
import { openWriter } from "../../src/store/sqlite/open-database.ts";

const BATCH = 5_000;
/** The first account gets one in so many of all charges: a very long list. */
const LONG_SHARE = 10;

/**
 * Fills a ledger whose service has ended with `count` charges straight into the database: copies of each account's newest charge, which must be one on the
 * user's own key (it moves no credits), with ids of their own that sort before those that callers send. Sequences, digests, rollups and pools are as the
 * service would have left them, so that VerifyLedger finds nothing.
 */
export function fillLedger(path: string, accounts: readonly string[], count: number): void {
  const db = openWriter(path);
  // Nobody is promised anything here; what matters is what lies there in the end.
  db.pragma("synchronous = OFF");
  const loader = createLedgerLoader(db);
  const nothing = new WorkingSet(loader).drain();
  const write = createLedgerWriter(db);
  const inTransaction = db.transaction(write);
  const long = Math.floor(count / LONG_SHARE);
  const each = Math.floor((count - long) / accounts.length);
  let made = 0;
  for (const [index, account] of accounts.entries()) {
    const pool = loader.pool(account);
    const template = pool === undefined ? undefined : loader.chargeBySequence(account, pool.chargeSequence);
    if (pool === undefined || template?.payer !== "BYOK") throw new Error(`${account} has no charge to copy`);
    const canonical = loader.route(account, template.routeId)?.canonicalModel ?? "";
    const model = canonical === "" ? template.upstreamModel : canonical;
    for (let left = each + (index === 0 ? long : 0); left > 0; ) {
      const charges: ChargeRow[] = [];
      let rollup: RollupRow | undefined;
      for (const size = Math.min(BATCH, left); charges.length < size; left -= 1) {
        made += 1;
        pool.chargeSequence += 1;
        const id = `00000000-${made.toString(16).padStart(27, "0")}`;
        const charge = { ...template, sequence: pool.chargeSequence, usageId: id, callId: id };
        charges.push(charge);
        rollup = addToRollup(rollup, charge, model);
      }
      inTransaction({ ...nothing, charges, pools: [pool], rollups: rollup === undefined ? [] : [rollup] });
    }
  }
  db.pragma("wal_checkpoint(TRUNCATE)");
  db.close();
}
