import type { Provider } from "../base/provider.ts";
import type { ListedModel } from "../providers/read-model-list.ts";
import type { KeyRef } from "./ports.ts";

/** The account under which the lists stand that a provider tells everybody, without a key; their key id is the provider's slug, their version 0. */
export const EVERYBODY = "";

/** A list that should be fetched. */
export interface DueList extends KeyRef {
  readonly provider: Provider;
  /** How often in a row it could not be fetched. */
  readonly failures: number;
  /** Nobody has asked for it since its key was stored. */
  readonly isFirst: boolean;
}

/** A list that was fetched. */
export interface FetchedList {
  readonly models: readonly ListedModel[];
  readonly fetchedMs: number;
  /** When to fetch it again, in milliseconds since the epoch. */
  readonly dueMs: number;
}

/**
 * Which lists of models are fetched when, and what they held. A list begins to be due in the transaction that stores its key, and ends in the one that
 * replaces, removes or destroys the key. Every method may throw STORAGE_FULL, OVERLOADED or DRAINING.
 */
export interface ModelListStore {
  /** The lists that should be fetched by `nowMs`, those that wait longest first, at most `limit`. */
  due(nowMs: number, limit: number): Promise<readonly DueList[]>;
  /** Puts off fetching a list; "failed" counts the failure. What was fetched before stays. One whose key version is no longer there is passed over. */
  defer(list: KeyRef, dueMs: number, why: "later" | "failed"): Promise<void>;
  /** Keeps a list in place of what was fetched before, durably. One whose key version is no longer there is passed over. */
  put(list: KeyRef, fetched: FetchedList): Promise<void>;
}
