import type { Clock } from "../base/clock.ts";
import { PloriError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Secret } from "../base/secret.ts";
import type { ListOutcome, ModelLister } from "../providers/model-lister.ts";
import { doubledMs } from "../providers/provider-waits.ts";
import { type DueList, EVERYBODY, type ModelListStore } from "./model-list-ports.ts";
import type { SealedKey } from "./open-credential.ts";
import { jittered, type PacedJob, startPacedJob, type Timers } from "./paced-job.ts";
import type { KeyRef, KeyStore, StoredKey } from "./ports.ts";
import type { ProbeBudget } from "./probe-budget.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** When a list is tried again whose fetching never ended: this process died. */
const UNTOLD_MS = 10 * MINUTE_MS;
const FAILED_FIRST_MS = 5 * MINUTE_MS;

/** What fetching the lists of models needs. */
export interface ListFetcherOptions {
  readonly lists: ModelListStore;
  readonly keys: Pick<KeyStore, "load">;
  /** Opens keys that the account's head vouches for. */
  readonly opener: { open(key: SealedKey & KeyRef): Promise<Secret> };
  readonly lister: ModelLister;
  readonly probeBudget: ProbeBudget;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Pick<Log, "warn">;
  /** The most lists fetched in a minute, over all accounts; 0: none. */
  readonly listsPerMinute: number;
  /** Gives 0 to 1. */
  readonly random: () => number;
}

/**
 * Fetches which models each stored key may use: soon after the key was stored, then about daily, after failures ever more rarely. All but the first count
 * among the probes of their account. A list that cannot be had leaves the one that was fetched before; no route ever waits for one.
 */
export function startListFetcher(options: ListFetcherOptions): PacedJob {
  const { lists, clock, random } = options;
  return startPacedJob<DueList>({
    ...options,
    perMinute: options.listsPerMinute,
    notLooked: "lists of models that are due were not looked for",
    due: (limit) => lists.due(clock.nowMs(), limit),
    begin: (list) => lists.defer(list, clock.nowMs() + jittered(UNTOLD_MS, random), "later"),
    run: (list, signal) =>
      fetchList(options, list, signal).catch((error: unknown) => {
        const reason = error instanceof PloriError ? { reason: error.reason } : { err: error };
        if (!signal.aborted)
          options.log.warn("a list of models was not fetched", { provider: list.provider, ...reason });
      }),
  });
}

async function fetchList(options: ListFetcherOptions, list: DueList, signal: AbortSignal): Promise<void> {
  const { lists, clock, log } = options;
  const later = (waitMs: number, why: "later" | "failed" = "later") =>
    lists.defer(list, clock.nowMs() + jittered(waitMs, options.random), why);
  const outcome = await ask(options, list, signal);
  if (signal.aborted) return later(0);
  switch (outcome.kind) {
    case "listed": {
      const nowMs = clock.nowMs();
      const dueMs = nowMs + jittered(DAY_MS, options.random);
      return lists.put(list, { models: outcome.models, fetchedMs: nowMs, dueMs });
    }
    case "failed": {
      const waitMs = Math.max(doubledMs(FAILED_FIRST_MS, list.failures, DAY_MS), outcome.retryAfterMs ?? 0);
      log.warn("a list of models was not fetched", { provider: list.provider, reason: outcome.failure });
      return later(waitMs, "failed");
    }
    case "not-now":
      return later(outcome.waitMs);
    case "gone":
      // The key was replaced or removed meanwhile, and its list with it.
      return;
  }
}

type Asked = ListOutcome | { readonly kind: "not-now"; readonly waitMs: number } | { readonly kind: "gone" };

async function ask(options: ListFetcherOptions, list: DueList, signal: AbortSignal): Promise<Asked> {
  const { account, keyId, version, provider } = list;
  if (account === EVERYBODY) return options.lister.list(provider, undefined, signal);
  const key = await options.keys.load(account, keyId);
  if (key?.record.version !== version) return { kind: "gone" };
  // Its owner must mend or replace it first; asking with it only draws the provider's attention.
  if (["DEAD", "BLOCKED", "UNREADABLE"].includes(key.record.state)) return { kind: "not-now", waitMs: DAY_MS };
  // Who stored the key has used a probe for it: the first list comes with that, or the picker would stay empty for whoever connects five keys in a row.
  const waitMs = list.isFirst ? 0 : takeProbe(options.probeBudget, account);
  if (waitMs > 0) return { kind: "not-now", waitMs };
  return askWith(options, key, signal);
}

async function askWith(options: ListFetcherOptions, key: StoredKey, signal: AbortSignal): Promise<ListOutcome> {
  const { account, keyId, version, provider } = key.record;
  const secret = await options.opener.open({ account, keyId, version, provider, sealed: key.sealed });
  try {
    return await options.lister.list(provider, secret, signal);
  } finally {
    secret.wipe();
  }
}

/** Takes one of the account's probes. Returns how long to wait when they are used up, in milliseconds; 0 when there was one. */
function takeProbe(budget: ProbeBudget, account: string): number {
  try {
    budget.take(account, "SERVICE");
    return 0;
  } catch (error) {
    if (error instanceof PloriError && error.reason === "RATE_LIMITED") return error.retryAfterMs ?? MINUTE_MS;
    throw error;
  }
}
