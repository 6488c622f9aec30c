import type { Log } from "../../base/log.ts";
import type { KeyStore } from "../ports.ts";
import { entryOf, withEntry } from "./head.ts";
import type { HeadKeeper } from "./head-keeper.ts";

/** Keeps the account's head with every key that comes or goes. */
export function withHeads(keys: KeyStore, heads: Pick<HeadKeeper, "read" | "next" | "fold">, log: Log): KeyStore {
  return {
    // How a key is stands outside of what a head vouches for: which versions there are, and their sealed bytes.
    ...keys,
    async put(key, mutation) {
      const { account, keyId, version } = key.record;
      const { state, trust } = await heads.read(account);
      // What a head that cannot be trusted vouches for is not carried over: a new key serves, and whatever was planted beside it stays refused.
      const trusted = trust.kind === "trusted" ? trust.entries : [];
      const entry = entryOf({ keyId, version, sealed: key.sealed });
      return await keys.put({ ...key, head: await heads.next(account, state, withEntry(trusted, entry)) }, mutation);
    },
    async delete(account, keyId, etag, mutation) {
      const removed = await keys.delete(account, keyId, etag, mutation);
      // The removal is durable already and must not wait for KMS. Until the head contains it, only the note beside the head speaks of it.
      heads
        .fold(account)
        .catch((error: unknown) => log.warn("a removal is not in the account's head yet", { err: error }));
      return removed;
    },
  };
}
