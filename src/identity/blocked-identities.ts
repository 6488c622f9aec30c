/** The identities that are shut out, in memory: every new connection asks. */
export class BlockedIdentities {
  readonly #blocked = new Set<string>();
  readonly #listeners: ((spiffeId: string) => void)[] = [];

  /** How many there are. */
  get size(): number {
    return this.#blocked.size;
  }

  /** Whether this SPIFFE id (trust domain in lower case) is shut out. */
  has(spiffeId: string): boolean {
    return this.#blocked.has(spiffeId);
  }

  /** Takes note of a block or of its end, and tells the listeners. */
  set(spiffeId: string, isBlocked: boolean): void {
    if (isBlocked) this.#blocked.add(spiffeId);
    else this.#blocked.delete(spiffeId);
    for (const listener of this.#listeners) listener(spiffeId);
  }

  /** Has `listener` told of every identity that was blocked or unblocked, once `has` says so. It must not throw. */
  onChange(listener: (spiffeId: string) => void): void {
    this.#listeners.push(listener);
  }
}
