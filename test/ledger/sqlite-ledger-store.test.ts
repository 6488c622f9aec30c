import { join } from "node:path";
import { manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { openReader } from "../../src/store/sqlite/open-database.ts";
import { openSqlite } from "../../src/store/sqlite/open-sqlite.ts";
import { ledgerStoreContract } from "../contract/ledger-store.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { NOW_MS } from "./fixtures.ts";

ledgerStoreContract("SQLite", async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const clock = manualClock(NOW_MS);
  let store = await openSqlite(path, clock, silentLog);
  return {
    ledger: store.ledger,
    releases: store.releases,
    clock,
    auditCount(kind) {
      const reader = openReader(path);
      const row = reader.prepare("SELECT count(*) AS count FROM audit WHERE kind = ?").get(kind) as { count: bigint };
      reader.close();
      return Number(row.count);
    },
    async reopen() {
      await store.close();
      store = await openSqlite(path, clock, silentLog);
      return { ledger: store.ledger, releases: store.releases };
    },
    async close() {
      await store.close();
      directory.remove();
    },
  };
});
