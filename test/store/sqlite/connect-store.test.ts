import { join } from "node:path";
import { manualClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { openSqlite } from "../../../src/store/sqlite/open-sqlite.ts";
import { connectStoreContract } from "../../contract/connect-store.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

connectStoreContract("SQLite", async () => {
  const directory = temporaryDirectory();
  const clock = manualClock(1_790_000_000_000);
  const sqlite = await openSqlite(join(directory.path, "plori.db"), clock, silentLog);
  return {
    store: sqlite.connects,
    keys: sqlite.keys,
    clock,
    async close() {
      await sqlite.close();
      directory.remove();
    },
  };
});
