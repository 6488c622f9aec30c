/**
 * Keeps at least the `max` / 2 most recently used entries and at most `max`, in two generations: when the young one is half of it, it becomes the old one,
 * and what was not used since is forgotten. Nothing is forgotten except by `trim`, so that an entry in use cannot vanish. An entry that is used again and again
 * costs one look-up a use; a list in the order of use would be mended each time.
 */
export class RecentCache<V> {
  readonly #halfMax: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  constructor(max: number) {
    this.#halfMax = Math.ceil(max / 2);
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.#young.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    this.#young.set(key, value);
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** Forgets what was not used lately, if there is too much. */
  trim(): void {
    if (this.#young.size < this.#halfMax) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
