import type { Clock } from "../../base/clock.ts";
import { LIMITS } from "../../base/limits.ts";
import { balance } from "../../ledger/balance.ts";
import type { LedgerStore } from "../../ledger/ports.ts";
import { previewCharge } from "../../ledger/preview-charge.ts";
import { PriceBook, type PriceVersion } from "../../ledger/price-book.ts";
import { summarizeUsage } from "../../ledger/summarize-usage.ts";
import { WorkingSet } from "../../ledger/working-set.ts";
import { conditionsAsSql } from "./charge-conditions.ts";
import { createLedgerLoader } from "./ledger-loader.ts";
import {
  CHARGE_COLUMNS,
  GRANT_COLUMNS,
  type StoredCharge,
  type StoredGrant,
  type StoredRollup,
  toCharge,
  toGrant,
  toRollup,
} from "./ledger-rows.ts";
import type { Connection } from "./open-database.ts";
import { verifyLedger } from "./verify-ledger.ts";
import type { Writer } from "./writer.ts";

const HOUR_MS = 3_600_000;

/** Sorts after every id. */
const AFTER_EVERY_ID = "~";

/** Credits in SQLite. */
export function createLedgerStore(path: string, reader: Connection, writer: Writer, clock: Clock): LedgerStore {
  const loader = createLedgerLoader(reader);
  const selectNewest = reader.prepare(
    `SELECT ${CHARGE_COLUMNS} FROM charge WHERE account = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?`,
  );
  const selectGrants = reader.prepare(
    `SELECT ${GRANT_COLUMNS} FROM credit_grant WHERE account = ? AND grant_id < ? ORDER BY grant_id DESC LIMIT ?`,
  );
  const selectLast = reader
    .prepare("SELECT sequence FROM charge WHERE account = ? AND sequence < ? ORDER BY sequence DESC LIMIT 1")
    .pluck();
  const selectRecordMs = reader.prepare("SELECT record_ms FROM charge WHERE account = ? AND sequence = ?").pluck();
  const selectNextAccount = reader.prepare("SELECT min(account) FROM charge WHERE account > ?").pluck();
  const selectRollups = reader.prepare("SELECT * FROM rollup WHERE account = ? AND hour >= ? AND hour < ?");
  const selectOldest = reader.prepare(
    `SELECT ${CHARGE_COLUMNS} FROM charge WHERE account = ? AND sequence > ? ORDER BY sequence LIMIT ?`,
  );
  const selectHosted = reader.prepare(
    "SELECT * FROM rollup INDEXED BY rollup_hosted_hour WHERE hour >= ? AND hour < ? AND provider = ? AND payer = 'HOSTED' AND kind = 'MODEL_CALL'",
  );
  // The three selects of a balance must see the same commit.
  const readBalance = reader.transaction((account: string) => {
    return balance(new WorkingSet(loader), account, clock.nowMs());
  });
  return {
    grantCredits: (grant, mutation) => writer.submit("grantCredits", { grant, mutation }),
    recordUsage: (records, recorder, mutation) => writer.submit("recordUsage", { records, recorder, mutation }),
    extendHold: (ref, usedSoFar, mutation) => writer.submit("extendHold", { ref, usedSoFar, mutation }),
    releaseHold: (ref, mutation) => writer.submit("releaseHold", { ref, mutation }),
    voidGrant: (account, grantId, mutation) => writer.submit("voidGrant", { account, grantId, mutation }),
    reverseCharge: (account, sequence, mutation) => writer.submit("reverseCharge", { account, sequence, mutation }),
    async listGrants(account, limit, beforeGrantId = AFTER_EVERY_ID) {
      return (selectGrants.all(account, beforeGrantId, limit) as StoredGrant[]).map(toGrant);
    },
    async findCharge(account, sequence) {
      const charge = loader.chargeBySequence(account, sequence);
      return charge && { charge, reversedBy: loader.reversalOf(account, sequence)?.sequence };
    },
    verify: (account, afterAccount, signal) => verifyLedger(path, account, afterAccount, signal),
    draftPrices: (draftId, prices, mutation) => writer.submit("draftPrices", { draftId, prices, mutation }),
    publishDraft: (draftId, guarded, mutation) => writer.submit("publishDraft", { draftId, guarded, mutation }),
    async listPrices(version, offset, limit) {
      const versions = loader.priceVersions();
      const found = version === undefined ? versions.at(-1) : versions.find((known) => known.version === version);
      return found && { version: found, items: loader.priceItems(found.version).slice(offset, offset + limit) };
    },
    async previewCharge(order) {
      const bookOf = (version: PriceVersion) => new PriceBook(version, loader.priceItems(version.version));
      return previewCharge(loader.priceVersions(), bookOf, order, clock.nowMs());
    },
    publishPrices: (prices, mutation) => writer.submit("publishPrices", { prices, mutation }),
    newestPriceVersion: async () => loader.priceVersions().at(-1),
    balance: async (account) => readBalance(account),
    async listCharges(account, limit, beforeSequence = Number.MAX_SAFE_INTEGER) {
      return (selectNewest.all(account, beforeSequence, limit) as StoredCharge[]).map(toCharge);
    },
    async findCharges(account, conditions, limit, beforeSequence = Number.MAX_SAFE_INTEGER) {
      const newest = Number(selectLast.get(account, beforeSequence) ?? 0n);
      const oldest = Math.max(newest - LIMITS.chargesScannedMax, 0);
      const { sql, values } = conditionsAsSql(conditions);
      const rows = reader
        .prepare(
          `SELECT ${CHARGE_COLUMNS} FROM charge WHERE account = ? AND sequence <= ? AND sequence > ?${sql} ORDER BY sequence DESC LIMIT ?`,
        )
        .all(account, newest, oldest, ...values, limit) as StoredCharge[];
      const charges = rows.map(toCharge);
      const last = charges.length === limit ? (charges.at(-1)?.sequence ?? 0) : oldest + 1;
      return { charges, nextSequence: last > 1 ? last : undefined };
    },
    async summarizeUsage(account, startMs, endMs, groupBy) {
      const rows = selectRollups.iterate(account, startMs / HOUR_MS, endMs / HOUR_MS) as IterableIterator<StoredRollup>;
      return summarizeUsage(Iterator.from(rows).map(toRollup), groupBy, LIMITS.summaryGroupsMax);
    },
    async chargesAfter(account, afterSequence, limit) {
      return (selectOldest.all(account, afterSequence, limit) as StoredCharge[]).map(toCharge);
    },
    async lastSequenceBefore(account, atMs) {
      // Recorded time never runs backwards within an account, and its sequences have no gap: the place is found by halving.
      let before = 0;
      let notBefore = Number(selectLast.get(account, Number.MAX_SAFE_INTEGER) ?? 0n) + 1;
      while (notBefore - before > 1) {
        const middle = Math.floor((before + notBefore) / 2);
        const recordMs = selectRecordMs.get(account, middle) as bigint | undefined;
        if (recordMs !== undefined && recordMs < BigInt(atMs)) before = middle;
        else notBefore = middle;
      }
      return before;
    },
    async nextChargedAccount(account) {
      return (selectNextAccount.get(account) as string | null) ?? undefined;
    },
    async summarizeProvider(provider, startMs, endMs) {
      const rows = selectHosted.iterate(startMs / HOUR_MS, endMs / HOUR_MS, provider) as IterableIterator<StoredRollup>;
      return summarizeUsage(Iterator.from(rows).map(toRollup), ["MODEL"], LIMITS.summaryGroupsMax);
    },
    sweepHolds: () => writer.submit("sweepHolds", undefined),
  };
}
