import type { Subject } from "./bench.ts";
import { recordCalls, resolveCalls } from "./frames.ts";
import { describeLoad, rateOf } from "./loads.ts";
import { MODEL } from "./stage.ts";

/** A hosted call's two calls to us: the hold and its settlement. */
export const PAIR: Subject = {
  name: "pair",
  about: "Hosted ResolveRoute and RecordUsage, in pairs.",
  byDefault: true,
  async run(bench) {
    const { hosted, load, echo } = await bench.stage();
    const calls = resolveCalls(hosted, MODEL);
    const mine = await load([calls, recordCalls(hosted)]);
    const base = await echo(calls, mine.answerBytes);
    const conditions = describeLoad(mine, base);
    bench.report("Hosted ResolveRoute + RecordUsage pair", rateOf(mine), "pairs/s", rateOf(base), conditions);
  },
};
