import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { readChargeFilter } from "../../src/ledger/charge-filter.ts";
import { GROUPINGS } from "../../src/ledger/summarize-usage.ts";
import { createAccountEventStore } from "../../src/store/sqlite/account-event-store.ts";
import { createLedgerStore } from "../../src/store/sqlite/ledger-store.ts";
import { type Connection, openReader } from "../../src/store/sqlite/open-database.ts";
import { openSqlite, type SqliteStore } from "../../src/store/sqlite/open-sqlite.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { NOW_MS } from "./fixtures.ts";

const HOUR_MS = 3_600_000;
/** One filter of every kind that is offered, and some together. */
const FILTERS = [
  "kind = MODEL_CALL",
  "payer = BYOK",
  "provider = openai",
  "agent = g1",
  "model = m",
  "upstream_model = m",
  "call_id = c",
  "labels.team = x",
  "occur_time >= 2026-11-01T00:00:00Z",
  "occur_time = 2026-11-01T00:00:00Z",
  "occur_time > 2026-11-01T00:00:00Z AND occur_time < 2026-11-02T00:00:00Z AND kind = DISK",
  "kind = COMPUTE AND payer = HOSTED AND agent = g1 AND call_id = c AND labels.a = b",
];
/** Tables that hold a row, or a row for each time that an operator published prices. */
const SMALL = /^SCAN (?:price_version|account_event_base|sqlite_sequence|CONSTANT ROW)\b/;
/** An account's open holds are sorted: there are at most a thousand, and they are read when the account is first met. */
const BOUNDED = "hold INDEXED BY hold_open_account";

let directory: ReturnType<typeof temporaryDirectory>;
let path: string;
let store: SqliteStore;
let reader: Connection;
let asked: Set<string>;

beforeEach(async () => {
  directory = temporaryDirectory();
  path = join(directory.path, "plori.db");
  store = await openSqlite(path, manualClock(NOW_MS), silentLog);
  reader = openReader(path);
  asked = new Set();
});
afterEach(async () => {
  reader.close();
  await store.close();
  directory.remove();
});

/** The reading connection, which writes down every statement that it prepares. */
function eavesdropping(): Connection {
  return new Proxy(reader, {
    get(target, name) {
      if (name === "prepare") {
        return (sql: string) => {
          asked.add(sql);
          return target.prepare(sql);
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The steps of a statement that walk through a table or an index, or sort. */
function costlySteps(sql: string): string[] {
  const values = Array(sql.split("?").length - 1).fill(null);
  const steps = reader.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values) as { detail: string }[];
  return steps.map(({ detail }) => detail).filter((detail) => /SCAN|TEMP B-TREE/.test(detail) && !SMALL.test(detail));
}

test("no question that the ledger is asked walks through a table or sorts, whatever the filter", async () => {
  const listening = eavesdropping();
  const ledger = createLedgerStore(path, listening, store.writer, manualClock(NOW_MS));
  createAccountEventStore(listening, store.writer);
  for (const filter of FILTERS) {
    const reading = readChargeFilter(filter);
    if (reading.kind !== "ok") throw new Error(reading.problem);
    await ledger.findCharges("a1", reading.conditions, 50);
    await ledger.findCharges("a1", reading.conditions, 50, 1_000);
  }
  await ledger.balance("a1");
  await ledger.summarizeUsage("a1", NOW_MS - (NOW_MS % HOUR_MS), NOW_MS, GROUPINGS);
  expect(asked.size).toBeGreaterThan(25);
  const unbounded = [...asked].filter((sql) => !sql.includes(BOUNDED));
  const costly = unbounded.flatMap((sql) => costlySteps(sql).map((step) => `${step}: ${sql}`));
  expect(costly).toEqual([]);
});

test("such a question would be noticed", () => {
  expect(costlySteps("SELECT * FROM charge WHERE agent = ?")).toEqual([expect.stringContaining("SCAN charge")]);
  expect(costlySteps("SELECT * FROM charge WHERE account = ? ORDER BY amount_nano")).toEqual([
    expect.stringContaining("TEMP B-TREE"),
  ]);
});
