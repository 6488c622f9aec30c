import { RecentCache } from "../../base/recent-cache.ts";

/**
 * Rows of the hot set, kept in memory. The one process that opens the database also makes every change, so an entry is right until this process has an
 * acknowledged change of it: whoever changes a row calls `forget` before it tells anybody. Loading is synchronous, hence nothing changes between a
 * look into the database and the entry.
 */
export class RowCache<V extends object> {
  readonly #entries: RecentCache<V>;
  readonly #load: (key: string) => V | undefined;

  constructor(maxEntries: number, load: (key: string) => V | undefined) {
    this.#entries = new RecentCache(maxEntries);
    this.#load = load;
  }

  /** The row, from memory or the database. What is not there is not remembered: an attacker's inventions must not push out the hot set. */
  get(key: string): V | undefined {
    const kept = this.#entries.get(key);
    if (kept !== undefined) return kept;
    const loaded = this.#load(key);
    if (loaded !== undefined) {
      this.#entries.set(key, loaded);
      this.#entries.trim();
    }
    return loaded;
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  /** For a change of more rows than anybody wants to name. */
  forgetAll(): void {
    this.#entries.clear();
  }
}
