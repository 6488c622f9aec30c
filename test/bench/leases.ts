import type { Subject } from "./bench.ts";
import { simulateDay, USUAL_DAY } from "./simulate-day.ts";

/** How many of a host's calls need no route of their own. A simulation: no clock runs and nothing is called. */
export const LEASES: Subject = {
  name: "leases",
  about: "The share of a host's calls in a simulated day that a lease serves.",
  byDefault: true,
  async run(bench) {
    const { agents, accounts } = USUAL_DAY;
    const { calls, resolves, revocations, revokedLeases } = simulateDay(USUAL_DAY);
    const conditions = `${resolves} resolves instead of one a call; ${agents} agents of ${accounts} accounts come and go, calls in bursts, 5 minutes a lease, ${revocations} revocations end ${revokedLeases} leases in use; simulated, seed ${USUAL_DAY.seed}`;
    bench.report("Calls served by a lease, a host's day", calls - resolves, "calls", calls, conditions);
  },
};
