import type { KeyUse } from "./writes/keys.ts";

/**
 * When keys were last released, until that is written down. Writing it with every release would double the hot path's writes for a figure that people
 * look at; so it waits in memory, is read from there, and a crash loses at most one flush interval of it. (The audit has every release.)
 */
export class KeyUses {
  #pending = new Map<string, KeyUse>();

  note(use: KeyUse): void {
    this.#pending.set(`${use.account}/${use.keyId}`, use);
  }

  /** When the key's version was last released, if that is not written down yet. */
  pending(account: string, keyId: string, version: number): number | undefined {
    const use = this.#pending.get(`${account}/${keyId}`);
    return use?.version === version ? use.timeMs : undefined;
  }

  /** Takes at most `max` of what waits. */
  take(max: number): readonly KeyUse[] {
    const taken: KeyUse[] = [];
    for (const [key, use] of this.#pending) {
      if (taken.length === max) break;
      taken.push(use);
      this.#pending.delete(key);
    }
    return taken;
  }
}
