import { PloriError } from "../../base/errors.ts";
import type { SealedKey, SealedKeyOpener } from "../open-credential.ts";
import type { ClaimedKey, HeadKeeper } from "./head-keeper.ts";

/**
 * An opener that opens a key only after the account's head vouched for it. A key is checked once, when it was newly loaded from the database: the
 * same object is not asked about again, so the hot path pays one look into a set. Throws besides what `HeadKeeper.check` throws.
 */
export function checkedOpener<K extends SealedKey & ClaimedKey>(
  opener: SealedKeyOpener,
  heads: Pick<HeadKeeper, "check" | "refused">,
): { open(key: K): ReturnType<SealedKeyOpener["open"]>; openWarm(key: K): ReturnType<SealedKeyOpener["openWarm"]> } {
  const checked = new WeakSet<K>();
  return {
    openWarm: (key) => (checked.has(key) ? opener.openWarm(key) : undefined),
    async open(key) {
      try {
        if (!checked.has(key)) {
          await heads.check(key);
          checked.add(key);
        }
        return await opener.open(key);
      } catch (error) {
        // What the check itself refuses, it has recorded.
        if (error instanceof PloriError && error.reason === "KEY_UNREADABLE") heads.refused(key, "KEY_UNREADABLE");
        throw error;
      }
    },
  };
}
