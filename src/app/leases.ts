import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import type { Ground } from "./ground.ts";
import { sweepEvery } from "./sweep.ts";

/** How often revocations that concern no living lease any more are forgotten, in milliseconds. */
const SWEEP_EVERY_MS = 60_000;

/** What the router's handlers need for leases, and the sweep that forgets what is over. */
export function openLeases({ log, closers }: Ground, { revocations, revocationNews }: SqliteStore) {
  const sweeping = sweepEvery({ everyMs: SWEEP_EVERY_MS, log, failure: "revocations were not swept" }, () =>
    revocations.sweep(),
  );
  closers.add(() => sweeping.stop());
  return { deps: { revocations, revocationNews } };
}
