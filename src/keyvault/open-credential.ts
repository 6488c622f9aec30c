import type { Provider } from "../base/provider.ts";
import type { Secret } from "../base/secret.ts";
import type { RecordIdentity, SealedRecord } from "../seal/ports.ts";
import type { Sealer } from "../seal/sealer.ts";
import type { StoredKey } from "./ports.ts";

/** What the sealed record of a provider key is bound to. Sealing and opening both take it from here, so that they cannot differ. */
export function providerKeyIdentity(account: string, provider: Provider, keyVersion: number): RecordIdentity {
  return { account, provider, keyVersion, kind: "provider-key" };
}

/** A stored key with what is needed to open it. */
export interface SealedKey {
  readonly account: string;
  readonly provider: Provider;
  readonly version: number;
  readonly sealed: SealedRecord;
}

/** Opens stored keys; what the router knows as its `CredentialOpener`. */
export interface SealedKeyOpener {
  /** The credential. The receiver wipes it. Throws KMS_UNAVAILABLE, KEY_UNREADABLE or RECORD_CORRUPT. */
  open(key: SealedKey): Promise<Secret>;
  /** As `open`, without waiting, when everything needed is warm; undefined when `open` must be asked. */
  openWarm(key: SealedKey): Secret | undefined;
}

/** An opener over the sealer. A row that names another account, provider or version than the one that was sealed does not open. */
export function createCredentialOpener(sealer: Pick<Sealer, "open" | "openWarm">): SealedKeyOpener {
  return {
    open: (key) => sealer.open(providerKeyIdentity(key.account, key.provider, key.version), key.sealed),
    openWarm: (key) => sealer.openWarm(providerKeyIdentity(key.account, key.provider, key.version), key.sealed),
  };
}

/** The credential of a key as the store gives it; as `open`. */
export function openSealed(opener: Pick<SealedKeyOpener, "open">, { record, sealed }: StoredKey): Promise<Secret> {
  const { account, provider, version } = record;
  return opener.open({ account, provider, version, sealed });
}
