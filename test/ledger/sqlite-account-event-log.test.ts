import { join } from "node:path";
import { manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { openSqlite } from "../../src/store/sqlite/open-sqlite.ts";
import { accountEventLogContract } from "../contract/account-event-log.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { NOW_MS } from "./fixtures.ts";

const LOW_NANO = 1_000n;

accountEventLogContract("SQLite", async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const clock = manualClock(NOW_MS);
  let store = await openSqlite(path, clock, silentLog, LOW_NANO);
  return {
    ...store,
    clock,
    async reopen() {
      await store.close();
      store = await openSqlite(path, clock, silentLog, LOW_NANO);
      return store;
    },
    async close() {
      await store.close();
      directory.remove();
    },
  };
});
