import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { verifyAccount } from "../../../src/ledger/verify-account.ts";
import { createLedgerLoader } from "../../../src/store/sqlite/ledger-loader.ts";
import { knownMigrations, migrate } from "../../../src/store/sqlite/migrate.ts";
import { type Connection, openWriter } from "../../../src/store/sqlite/open-database.ts";
import { readAccountRows } from "../../../src/store/sqlite/verify-ledger.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let db: Connection;

/** A database as the service left it before charges went by their sequence: one grant, one captured hold, one charge, one call that ran out. */
beforeEach(() => {
  directory = temporaryDirectory();
  db = openWriter(join(directory.path, "plori.db"));
  db.exec(
    "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, breaking INTEGER NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
  );
  for (const { number, name } of knownMigrations().filter((migration) => migration.number <= 2)) {
    const file = new URL(`../../../src/store/sqlite/migrations/${name}`, import.meta.url);
    db.exec(readFileSync(file, "utf8"));
    db.prepare("INSERT INTO migration VALUES (?, ?, 0, 0)").run(number, name);
  }
  const line = '["DISK","5","1000","1","5","5"]';
  const held = "'m', 1, 1, 1, 1, 0, '[]', 0, 9";
  db.exec(`
    INSERT INTO price_version VALUES (1, 'x', 0, 0, 1);
    INSERT INTO price_item VALUES (1, 'DISK', '', '', 0, 1000, 1);
    INSERT INTO pool VALUES ('a1', 100, 0, 5, 0, 0, 1, 2, 7, NULL);
    INSERT INTO credit_grant VALUES ('a1', 'g1', 100, 95, 0, 0, 'PAID', 0, NULL, 0);
    INSERT INTO hold VALUES ('a1', 'h1', 'h', 'a', 'c1', 'r1', ${held}, 'CAPTURED', 5, 'charge-id');
    INSERT INTO hold VALUES ('a1', 'h2', 'h', 'a', 'c2', 'r2', ${held}, 'EXPIRED', 9, NULL);
    INSERT INTO charge VALUES ('a1', 1, 'charge-id', 'DISK', 'u1', 'a', 'HOSTED', 5, 5, 0, 0, 1, '[${line}]', '[["g1","5"]]', NULL, '', '', '', 'h1',
      'c1', 1, NULL, 0, NULL, '', '{"labels":{}}', 3, 7);
    INSERT INTO transfer VALUES ('a1', 1, 'ISSUED', 'GRANT:g1', 100, 'GRANT', 'g1', 0);
    INSERT INTO transfer VALUES ('a1', 2, 'GRANT:g1', 'USAGE:DISK', 5, 'USAGE', 'charge-id', 7);
    INSERT INTO rollup VALUES ('a1', 0, 'a', 'DISK', 'HOSTED', '', '', 1, 5, 5, 0, 0, 0, 0, 0, 0, 0, 5);
  `);
});
afterEach(() => {
  db.close();
  directory.remove();
});

test("an older database keeps every row when charges come to go by their sequence, and nothing differs then", () => {
  migrate(db, 0);
  expect([...verifyAccount(readAccountRows(db, "a1"))].filter((found) => found !== undefined)).toEqual([]);
  const loader = createLedgerLoader(db);
  expect(loader.hold("a1", "h1")).toMatchObject({ state: "CAPTURED", chargeSequence: 1, usedSoFar: "" });
  expect(loader.hold("a1", "h2")).toMatchObject({ state: "EXPIRED", chargeSequence: undefined });
  expect(loader.chargeByUsage("a1", "DISK", "u1")).toMatchObject({ sequence: 1, amountNano: 5n, reverses: 0 });
  expect(loader.chargeByCall("a1", "c1", 1)).toMatchObject({ sequence: 1 });
  expect(loader.pool("a1")).toMatchObject({ voidedNano: 0n, chargeDigest: "" });
});
