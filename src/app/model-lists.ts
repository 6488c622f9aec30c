import { chance } from "../base/chance.ts";
import { startListFetcher } from "../keyvault/fetch-model-lists.ts";
import { systemTimers } from "../keyvault/paced-job.ts";
import { createModelLister } from "../providers/model-lister.ts";
import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import type { Ground } from "./ground.ts";
import type { OpenVault } from "./open-vault.ts";

/** Starts to keep up to date which models accounts' keys may use. */
export function openModelLists({ config, clock, log, closers }: Ground, store: SqliteStore, vault: OpenVault): void {
  const fetcher = startListFetcher({
    lists: store.modelListStore,
    keys: store.keys,
    opener: vault.opener,
    probeBudget: vault.deps.probeBudget,
    lister: createModelLister({ urls: config.providerUrls, clock }),
    timers: systemTimers,
    listsPerMinute: config.modelListsPerMinute,
    random: chance,
    clock,
    log,
  });
  closers.add(() => fetcher.close());
}
