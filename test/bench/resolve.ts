import type { Subject } from "./bench.ts";
import { resolveCalls } from "./frames.ts";
import { describeLoad, rateOf } from "./loads.ts";
import { MODEL } from "./stage.ts";

/** The call on the path of every model call: warm, on the user's key, everything on. */
export const RESOLVE: Subject = {
  name: "resolve",
  about: "ResolveRoute, warm, on users' keys: its rate and its 99th percentile at half load.",
  byDefault: true,
  async run(bench) {
    const { byok, load, echo } = await bench.stage();
    const calls = resolveCalls(byok, MODEL);
    const mine = await load([calls]);
    const base = await echo(calls, mine.answerBytes);
    bench.report("ResolveRoute, warm BYOK", rateOf(mine), "calls/s", rateOf(base), describeLoad(mine, base));
    const half = Math.floor(rateOf(mine) / 2);
    const mineHalf = await load([calls], half);
    const baseHalf = await echo(calls, mine.answerBytes, half);
    const conditions = `${half} calls/s, open loop`;
    bench.report("ResolveRoute, warm BYOK, p99 at half load", mineHalf.p99Ms, "ms", baseHalf.p99Ms, conditions);
  },
};
