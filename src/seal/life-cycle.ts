import type { AccountMacs } from "./account-mac.ts";
import type { WrappedDataKey } from "./ports.ts";
import type { Sealer } from "./sealer.ts";

/** Opens and checks through a small cache of data keys of its own, so that looking at everything pushes nothing out of the one that serves. */
export interface Verification extends Pick<Sealer, "open">, Pick<AccountMacs, "verifyMac"> {
  close(): void;
}

/** What operators do with data keys. Errors as of `Sealer`. */
export interface DataKeyLifeCycle {
  /** Makes a further version of the account's data key: what is sealed from now on is sealed under it. Returns its number. */
  rotate(account: string): Promise<number>;
  /** The data key wrapped by the active KMS key and proven to open to the same bytes. Nothing is stored. */
  rewrap(key: WrappedDataKey): Promise<WrappedDataKey>;
  /** Forgets every cached key and returns how many there were. */
  evictAll(): number;
  /** Whatever is opened through it leaves the cache that serves as it is. */
  openVerification(): Verification;
}
