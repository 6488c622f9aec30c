import type { Subject } from "./bench.ts";
import { batchedRecordCalls } from "./frames.ts";
import { rateOf } from "./loads.ts";
import { bareRowsPerSecond } from "./raw-sqlite.ts";

const RECORDS_PER_CALL = 100;

/** Usage in batches, beside the rows alone. */
export const BATCH: Subject = {
  name: "batch",
  about: "RecordUsage, 100 records a call, beside bare rows written to SQLite.",
  byDefault: true,
  async run(bench) {
    const { byok, routeOf, load } = await bench.stage();
    const mine = await load([batchedRecordCalls(byok, RECORDS_PER_CALL, routeOf)]);
    const base = bareRowsPerSecond(bench.options.quick ? 100_000 : 300_000);
    bench.report(
      `RecordUsage, ${RECORDS_PER_CALL} records a call`,
      rateOf(mine) * RECORDS_PER_CALL,
      "records/s",
      base,
      "baseline: bare rows, better-sqlite3, 500 a commit, FULL",
    );
  },
};
