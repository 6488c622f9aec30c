import type { Subject } from "./bench.ts";
import { recordCalls } from "./frames.ts";
import { describeLoad, rateOf } from "./loads.ts";

/** Usage, one record a call. */
export const RECORD: Subject = {
  name: "record",
  about: "RecordUsage, one record a call.",
  byDefault: true,
  async run(bench) {
    const { byok, routeOf, load, echo } = await bench.stage();
    const calls = recordCalls(byok, routeOf);
    const mine = await load([calls]);
    const base = await echo(calls, mine.answerBytes);
    bench.report("RecordUsage, one record a call", rateOf(mine), "calls/s", rateOf(base), describeLoad(mine, base));
  },
};
