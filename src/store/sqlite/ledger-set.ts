import { WorkingSet } from "../../ledger/working-set.ts";
import { createLedgerLoader } from "./ledger-loader.ts";
import { createLedgerWriter } from "./ledger-writes.ts";
import type { WriteTransaction } from "./write-transaction.ts";
import { noteAccountEvent } from "./writes/account-events.ts";

const SETS = new WeakMap<WriteTransaction, WorkingSet>();

/**
 * The ledger's working set of the connection that writes. It outlives the batch, since nobody else writes: hot accounts stay in memory. What a batch
 * decided is written in one go before its commit, and forgotten, cache and all, when the batch is undone.
 */
export function ledgerSet(tx: WriteTransaction): WorkingSet {
  const known = SETS.get(tx);
  if (known !== undefined) return known;
  const set = new WorkingSet(createLedgerLoader(tx.db));
  const write = createLedgerWriter(tx.db);
  tx.enlist({
    flush() {
      for (const event of set.judge(tx.nowMs, tx.creditsLowNano)) noteAccountEvent(tx, event);
      write(set.drain());
    },
    committed: () => set.committed(),
    rolledBack: () => set.reset(),
  });
  SETS.set(tx, set);
  return set;
}
