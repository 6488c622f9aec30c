import { join } from "node:path";
import { openWriter } from "../../src/store/sqlite/open-database.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const BATCH = 500;
const ACCOUNTS = 1_000;

/**
 * How many charge-like rows a second go straight into better-sqlite3, 500 a transaction, synchronous=FULL: one insert with the same columns and the same
 * indexes as a charge, nothing decided, nothing else written. In this process and on its main thread.
 */
export function bareRowsPerSecond(rows: number): number {
  const directory = temporaryDirectory();
  const db = openWriter(join(directory.path, "bare.db"));
  db.exec(`
    CREATE TABLE charge (
      account TEXT NOT NULL, sequence INTEGER NOT NULL, usage_id TEXT NOT NULL, kind TEXT NOT NULL, amount INTEGER NOT NULL,
      lines TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (account, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX charge_usage ON charge (account, kind, usage_id);
  `);
  const insert = db.prepare("INSERT INTO charge VALUES (?, ?, ?, ?, ?, ?, ?)");
  const lines = JSON.stringify([{ component: "OUTPUT", quantity: "350", price: "1000000", amount: "1200000" }]).repeat(
    2,
  );
  const record = JSON.stringify({ agent: "agent", labels: {}, route: "0".repeat(36), call_id: "0".repeat(36) }).repeat(
    2,
  );
  const started = performance.now();
  for (let at = 0; at < rows; at += BATCH) {
    db.exec("BEGIN IMMEDIATE");
    for (let i = at; i < at + BATCH; i += 1) {
      const id = `0190a1f0-0000-7000-8000-${i.toString(16).padStart(12, "0")}`;
      insert.run(`account-${i % ACCOUNTS}`, Math.floor(i / ACCOUNTS), id, "MODEL_CALL", i, lines, record);
    }
    db.exec("COMMIT");
  }
  const seconds = (performance.now() - started) / 1000;
  db.close();
  directory.remove();
  return rows / seconds;
}
