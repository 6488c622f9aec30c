import type { MintId } from "../base/ids.ts";
import type { RouterDeps } from "../doors/rpc/router-handlers.ts";
import { createKeyReports } from "../keyvault/key-reports.ts";
import { CATALOGUE } from "../router/catalogue.ts";
import { createKeyWatch } from "../router/key-watch.ts";
import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import { createEndpoints } from "./endpoints.ts";
import type { Ground } from "./ground.ts";
import { createHostedPrices } from "./hosted-prices.ts";
import type { Leases } from "./leases.ts";
import type { OpenVault } from "./open-vault.ts";
import type { Routing } from "./routing.ts";

/** Gathers what the router's RPCs need. */
export function openRouter(
  { config, clock, log }: Ground,
  store: SqliteStore,
  { keeper, opener }: OpenVault,
  beside: Leases["deps"] & Routing["deps"],
  mintId: MintId,
): RouterDeps {
  return {
    ...beside,
    placements: store.placements,
    keys: store.directory,
    modelLists: store.modelLists,
    hostedPrices: createHostedPrices(store.ledger),
    opener,
    routes: store.routes,
    reports: createKeyReports({ keeper, clock, log }),
    keyWatch: createKeyWatch(),
    releaseLog: store.releases,
    endpointOf: createEndpoints(config.providerUrls),
    catalogue: CATALOGUE,
    clock,
    mintId,
    overdraftLimitNano: config.credits.overdraftLimitNano,
  };
}
