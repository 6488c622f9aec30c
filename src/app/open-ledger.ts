import { NANO_PER_CREDIT } from "../base/credits.ts";
import type { MintId } from "../base/ids.ts";
import type { LedgerDeps } from "../doors/rpc/ledger-handlers.ts";
import { publishPrices } from "../ledger/verbs/publish-prices.ts";
import { CATALOGUE } from "../router/catalogue.ts";
import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import { openAccountEvents } from "./account-events.ts";
import { cataloguePrices } from "./catalogue-prices.ts";
import { developmentPrices } from "./development-prices.ts";
import type { Ground } from "./ground.ts";
import { sweepEvery } from "./sweep.ts";

/** How often holds and grants whose end has come are booked, in milliseconds. Decisions go by time and do not wait for it. */
const SWEEP_EVERY_MS = 5_000;

/** Gathers what the ledger's RPCs need, and books holds whose end has come. The development profile gets prices. */
export async function openLedger(
  { config, clock, log, closers }: Ground,
  store: SqliteStore,
  mintId: MintId,
): Promise<LedgerDeps> {
  if (config.development && (await store.ledger.newestPriceVersion()) === undefined) {
    const { creditsPerUsdNano = NANO_PER_CREDIT, markupPercent } = config.credits;
    const prices = developmentPrices(CATALOGUE, { creditsPerUsdNano, markupPercent });
    const input = { ...prices, draftId: "", requestId: "", actor: "development profile" };
    await publishPrices({ ledger: store.ledger, clock }, input, { spiffeId: "service" });
  }
  const sweeping = sweepEvery({ everyMs: SWEEP_EVERY_MS, log, failure: "holds were not swept" }, () =>
    store.ledger.sweepHolds(),
  );
  closers.add(() => sweeping.stop());
  return {
    ledger: store.ledger,
    clock,
    mintId,
    cataloguePrices: (value) => cataloguePrices(CATALOGUE, value),
    creditSettings: config.credits,
    ...openAccountEvents({ clock, log, closers }, store),
  };
}
