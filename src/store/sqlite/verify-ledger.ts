import { setImmediate as nextTurn } from "node:timers/promises";
import { LIMITS } from "../../base/limits.ts";
import type { StoredValue } from "../../ledger/charge-digest.ts";
import type { VerifiedAccount } from "../../ledger/ports.ts";
import { PriceBook } from "../../ledger/price-book.ts";
import { contentHash } from "../../ledger/publish-prices.ts";
import type { RouteFacts } from "../../ledger/rows.ts";
import { type AccountRows, type Difference, verifyAccount } from "../../ledger/verify-account.ts";
import { createLedgerLoader } from "./ledger-loader.ts";
import {
  CHARGE_COLUMNS,
  GRANT_COLUMNS,
  HOLD_COLUMNS,
  type StoredCharge,
  type StoredGrant,
  type StoredHold,
  type StoredRollup,
  type StoredTransfer,
  TRANSFER_COLUMNS,
  toCharge,
  toGrant,
  toHold,
  toRollup,
  toTransfer,
} from "./ledger-rows.ts";
import { CHARGE_COLUMN_NAMES } from "./ledger-writes.ts";
import { type Connection, openReader } from "./open-database.ts";

/** Rows that are looked at before others get their turn: about a millisecond's worth. */
const ROWS_A_TURN = 100;
/** Routes that are remembered: one serves many charges. */
const ROUTES_KEPT_MAX = 10_000;

/**
 * Recomputes what must hold in every account. On a connection of its own, so that its snapshot, which lasts for one account, is nobody else's; bit by bit, so
 * that calls go on meanwhile.
 */
export async function* verifyLedger(
  path: string,
  account: string | undefined,
  afterAccount: string,
  signal: AbortSignal,
): AsyncGenerator<VerifiedAccount, void> {
  const db = openReader(path);
  try {
    if (account !== undefined) {
      yield await verifyOne(db, account, signal);
      return;
    }
    if (afterAccount === "") yield verifyPriceVersions(db);
    for (let next = nextAccount(db, afterAccount); next !== undefined; next = nextAccount(db, next)) {
      if (signal.aborted) return;
      yield await verifyOne(db, next, signal);
    }
  } finally {
    db.close();
  }
}

async function verifyOne(db: Connection, account: string, signal: AbortSignal): Promise<VerifiedAccount> {
  const differences: Difference[] = [];
  let rows = 0;
  db.exec("BEGIN");
  try {
    for (const found of verifyAccount(readAccountRows(db, account))) {
      if (found !== undefined) {
        if (differences.length < LIMITS.differencesMax) differences.push(found);
        continue;
      }
      rows += 1;
      if (rows % ROWS_A_TURN !== 0) continue;
      await nextTurn();
      if (signal.aborted) break;
    }
  } finally {
    db.exec("COMMIT");
  }
  return { account, rows, differences };
}

/** The account that comes next, wherever it has left a row: who removes a pool must not hide its charges. */
function nextAccount(db: Connection, after: string): string | undefined {
  const found = ["pool", "credit_grant", "charge", "transfer", "rollup"].map(
    (table) => db.prepare(`SELECT min(account) FROM ${table} WHERE account > ?`).pluck().get(after) as string | null,
  );
  return found.filter((account) => account !== null).sort()[0];
}

function verifyPriceVersions(db: Connection): VerifiedAccount {
  const loader = createLedgerLoader(db);
  const versions = loader.priceVersions();
  const differences = versions.flatMap(({ version, contentHash: expected }): Difference[] => {
    const actual = contentHash(loader.priceItems(version));
    return actual === expected
      ? []
      : [{ rule: "price-version", subject: `priceVersions/${version}`, expected, actual }];
  });
  return { account: "", rows: versions.length, differences: differences.slice(0, LIMITS.differencesMax) };
}

/** An account's rows as the connection sees them. */
export function readAccountRows(db: Connection, account: string): AccountRows {
  const loader = createLedgerLoader(db);
  const versions = new Map(loader.priceVersions().map((version) => [version.version, version]));
  const books = new Map<number, PriceBook>();
  const routes = new Map<string, RouteFacts | undefined>();
  return {
    account,
    pool: loader.pool(account),
    grants: each<StoredGrant>(db, `SELECT ${GRANT_COLUMNS} FROM credit_grant WHERE account = ?`, account).map(toGrant),
    holds: each<StoredHold>(db, `SELECT ${HOLD_COLUMNS} FROM hold WHERE account = ?`, account).map(toHold),
    charges: each<StoredCharge & Record<string, StoredValue>>(
      db,
      `SELECT ${CHARGE_COLUMNS}, ${CHARGE_COLUMN_NAMES.map((name) => `${name} AS "=${name}"`).join(", ")}, digest AS "=digest"
       FROM charge WHERE account = ? ORDER BY sequence`,
      account,
    ).map((row) => ({
      charge: toCharge(row),
      columns: CHARGE_COLUMN_NAMES.map((name) => row[`=${name}`] ?? null),
      digest: String(row["=digest"]),
    })),
    transfers: each<StoredTransfer>(
      db,
      `SELECT ${TRANSFER_COLUMNS} FROM transfer WHERE account = ? ORDER BY sequence`,
      account,
    ).map(toTransfer),
    rollups: each<StoredRollup>(db, "SELECT * FROM rollup WHERE account = ?", account).map(toRollup),
    charge: (sequence) => loader.chargeBySequence(account, sequence),
    hold: (holdId) => loader.hold(account, holdId),
    route(routeId) {
      if (!routes.has(routeId)) {
        if (routes.size >= ROUTES_KEPT_MAX) routes.clear();
        routes.set(routeId, loader.route(account, routeId));
      }
      return routes.get(routeId);
    },
    priceBook(version) {
      const published = versions.get(version);
      if (published === undefined) return undefined;
      const book = books.get(version) ?? new PriceBook(published, loader.priceItems(version));
      books.set(version, book);
      return book;
    },
  };
}

/** Rows one after another, never all at once. */
function* each<Row>(db: Connection, sql: string, account: string): Generator<Row, void> {
  yield* db.prepare(sql).iterate(account) as IterableIterator<Row>;
}
