import { CHAIN_START, canonicalDetails, chainHash } from "../../src/audit/chain.ts";
import { type Checkpoint, signCheckpoint, signerKey } from "../../src/audit/checkpoint.ts";
import type { StoredRecord } from "../../src/audit/verify.ts";

export const ORIGIN = "plori.internal/byok/test/audit/sqlite";
export const signer = signerKey(ORIGIN, Buffer.alloc(32, 1));

/** A record's facts without its place. */
export type Facts = Omit<StoredRecord, "seq" | "hash">;

/** Facts that tell record `n` from others. */
export function factsOf(n: number): Facts {
  return {
    writer: "sqlite",
    timeMs: 1_790_000_000_000 + n,
    kind: "key.connected",
    caller: `spiffe://td/settings/s${n % 3}`,
    actor: "",
    account: `a${n % 5}`,
    subject: `accounts/a${n % 5}/keys/openai`,
    details: canonicalDetails({ n: String(n) }),
  };
}

/** The chain that a writer makes of these facts, after `previous`. */
export function chainOf(
  facts: readonly Facts[],
  from: { readonly seq: bigint; readonly hash: Uint8Array } = { seq: 0n, hash: CHAIN_START },
): StoredRecord[] {
  let { seq, hash } = from;
  return facts.map((fact) => {
    seq += 1n;
    hash = chainHash(hash, { ...fact, seq }, fact.details);
    return { ...fact, seq, hash };
  });
}

/** Signed checkpoints of a chain, one after every `every` records. */
export function checkpointsOf(chain: readonly StoredRecord[], every: number): Checkpoint[] {
  return chain
    .filter((_record, index) => (index + 1) % every === 0)
    .map(({ seq, hash }) => signCheckpoint(signer, ORIGIN, seq, hash));
}
