import type { Clock } from "../../base/clock.ts";
import { balance } from "../../ledger/balance.ts";
import type { LedgerStore } from "../../ledger/ports.ts";
import { WorkingSet } from "../../ledger/working-set.ts";
import { createLedgerLoader } from "./ledger-loader.ts";
import { CHARGE_COLUMNS, type StoredCharge, toCharge } from "./ledger-rows.ts";
import type { Connection } from "./open-database.ts";
import type { Writer } from "./writer.ts";

/** Credits in SQLite. */
export function createLedgerStore(reader: Connection, writer: Writer, clock: Clock): LedgerStore {
  const loader = createLedgerLoader(reader);
  const selectNewest = reader.prepare(
    `SELECT ${CHARGE_COLUMNS} FROM charge WHERE account = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?`,
  );
  // The three selects of a balance must see the same commit.
  const readBalance = reader.transaction((account: string) => {
    return balance(new WorkingSet(loader), account, clock.nowMs());
  });
  return {
    grantCredits: (grant, mutation) => writer.submit("grantCredits", { grant, mutation }),
    recordUsage: (records, recorder, mutation) => writer.submit("recordUsage", { records, recorder, mutation }),
    publishPrices: (prices, mutation) => writer.submit("publishPrices", { prices, mutation }),
    newestPriceVersion: async () => loader.priceVersions().at(-1),
    balance: async (account) => readBalance(account),
    async listCharges(account, limit, beforeSequence = Number.MAX_SAFE_INTEGER) {
      return (selectNewest.all(account, beforeSequence, limit) as StoredCharge[]).map(toCharge);
    },
    sweepHolds: () => writer.submit("sweepHolds", undefined),
  };
}
