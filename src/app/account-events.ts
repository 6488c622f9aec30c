import { LIMITS } from "../base/limits.ts";
import type { WatchAccountsDeps } from "../ledger/verbs/watch-accounts.ts";
import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import type { Ground } from "./ground.ts";
import { sweepEvery } from "./sweep.ts";

/** How often events that are old enough are forgotten, in milliseconds. */
const PRUNE_EVERY_MS = 60_000;

/** Gathers what those who watch accounts need, and keeps the log of events short. */
export function openAccountEvents(
  { clock, log, closers }: Pick<Ground, "clock" | "log" | "closers">,
  { accountEvents, accountEventNews }: Pick<SqliteStore, "accountEvents" | "accountEventNews">,
): WatchAccountsDeps {
  const pruning = sweepEvery(
    { everyMs: PRUNE_EVERY_MS, log, failure: "events about accounts were not pruned" },
    async (signal) => {
      while (!signal.aborted) {
        const pruned = await accountEvents.prune(clock.nowMs() - LIMITS.eventsKeptMs, LIMITS.eventsKeptMax);
        if (pruned === 0) return;
      }
    },
  );
  closers.add(() => pruning.stop());
  return { accountEvents, accountEventNews };
}
