import type { Clock } from "../../base/clock.ts";
import { PROVIDERS } from "../../base/provider.ts";
import type { DataKeyStore, SealedRecord } from "../../seal/ports.ts";
import type { Sealer } from "../../seal/sealer.ts";
import { entryOf, vouchesFor, withEntry } from "../heads/head.ts";
import type { HeadKeeper } from "../heads/head-keeper.ts";
import { providerKeyIdentity } from "../open-credential.ts";
import { keyName } from "../ports.ts";
import type { VaultRow, VaultStore } from "../vault-ports.ts";

/** Each try seals anew; so many rivals in a row mean that the next sweep should do it. */
const TRIES_MAX = 5;

/** What sealing an account's records anew needs. */
export interface ResealDeps {
  readonly vault: Pick<VaultStore, "rowsOf" | "reseal" | "endRotation">;
  readonly heads: Pick<HeadKeeper, "read" | "next">;
  readonly sealer: Pick<Sealer, "open" | "seal">;
  readonly dataKeys: Pick<DataKeyStore, "newest">;
  readonly clock: Pick<Clock, "nowMs">;
}

/**
 * Seals every record of the account that an older data key seals anew under the newest one, each in a transaction of its own. Returns whether none
 * needs an older one any more. A record that its head does not vouch for is left as it is: sealing it anew would make it look right.
 * Throws what the sealer throws; what was done stays done.
 */
export async function resealAccount(deps: ResealDeps, account: string): Promise<boolean> {
  for (const { keyId } of await deps.vault.rowsOf(account)) {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      if ((await resealOne(deps, account, keyId)) !== "raced") break;
    }
  }
  return await deps.vault.endRotation(account);
}

async function resealOne(deps: ResealDeps, account: string, keyId: string): Promise<"stored" | "raced" | "left"> {
  const row = (await deps.vault.rowsOf(account)).find((candidate) => candidate.keyId === keyId);
  const provider = PROVIDERS.find((known) => known === row?.provider);
  if (row === undefined || provider === undefined) return "left";
  const newest = await deps.dataKeys.newest(account, row.sealed.dataKeyId);
  if (newest === undefined || newest.dataKeyVersion <= row.sealed.dataKeyVersion) return "left";
  const { state, trust } = await deps.heads.read(account);
  if (trust.kind !== "trusted" || !vouchesFor(trust.entries, entryOf(row))) return "left";
  const identity = providerKeyIdentity(account, provider, row.version);
  using secret = await deps.sealer.open(identity, row.sealed);
  const sealed = await deps.sealer.seal(identity, secret);
  const head = await deps.heads.next(account, state, withEntry(trust.entries, entryOf({ ...row, sealed })));
  return await deps.vault.reseal(row, sealed, head, resealed(deps, row, sealed));
}

function resealed(deps: ResealDeps, { account, keyId, version, sealed }: VaultRow, anew: SealedRecord) {
  return {
    kind: "account.key-resealed",
    timeMs: deps.clock.nowMs(),
    caller: "service",
    actor: "",
    account,
    subject: keyName(account, keyId),
    details: {
      version: String(version),
      from_data_key_version: String(sealed.dataKeyVersion),
      to_data_key_version: String(anew.dataKeyVersion),
    },
  } as const;
}
