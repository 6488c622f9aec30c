import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { Secret } from "../base/secret.ts";
import type { RecordIdentity } from "../seal/ports.ts";
import type { Sealer } from "../seal/sealer.ts";
import { SEED_BYTES, type SignerKey, signerKey } from "./checkpoint.ts";
import type { SigningKeyStore, StoredSigningKey } from "./ports.ts";

/**
 * The keyholder of the signing keys. No account of the platform's can have this name, so nothing that is done to an account (rotation, shredding) reaches
 * the data key that they are sealed under.
 */
const AUDIT_ACCOUNT = "~audit";

/** What opening the signing keys needs. */
export interface SigningKeyDeps {
  readonly store: SigningKeyStore;
  readonly sealer: Pick<Sealer, "seal" | "open">;
  readonly clock: Pick<Clock, "nowMs">;
  /** The name under which they sign. */
  readonly name: string;
}

/**
 * Every signing key there ever was, the newest last. The public halves come out of the sealed seeds and nowhere else: whoever can write to the database could
 * put a public key of their own beside forged checkpoints, but cannot seal. Throws what the sealer throws.
 */
export async function openSigningKeys(deps: SigningKeyDeps): Promise<readonly SignerKey[]> {
  const stored = await deps.store.signingKeys();
  const keys: SignerKey[] = [];
  for (const { version, sealed } of stored) {
    const seed = await deps.sealer.open(identity(version), sealed);
    keys.push(signerKey(deps.name, seed.reveal()));
    seed.wipe();
  }
  return keys;
}

/** The key to sign with, made at the first call of the installation's life, and every key there ever was. Throws what the sealer and the store throw. */
export async function openSigner(deps: SigningKeyDeps): Promise<{ signer: SignerKey; keys: readonly SignerKey[] }> {
  if ((await deps.store.signingKeys()).length === 0)
    await deps.store.putSigningKey(await makeKey(deps), deps.clock.nowMs());
  const keys = await openSigningKeys(deps);
  const signer = keys.at(-1);
  if (signer === undefined) throw new Error("a signing key that was just stored is not there");
  return { signer, keys };
}

async function makeKey(deps: SigningKeyDeps): Promise<StoredSigningKey> {
  const seed = Secret.adopt(randomBytes(SEED_BYTES));
  try {
    return { version: 1, sealed: await deps.sealer.seal(identity(1), seed) };
  } finally {
    seed.wipe();
  }
}

function identity(version: number): RecordIdentity {
  return { account: AUDIT_ACCOUNT, provider: "none", keyVersion: version, kind: "audit-signing-key" };
}
