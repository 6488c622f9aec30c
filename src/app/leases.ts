import type { IdentityBlockDeps } from "../doors/rpc/identity-block-handlers.ts";
import type { RevocationDeps } from "../doors/rpc/revocation-handlers.ts";
import { BlockedIdentities } from "../identity/blocked-identities.ts";
import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import type { Ground } from "./ground.ts";
import { sweepEvery } from "./sweep.ts";

/** How often revocations that concern no living lease any more are forgotten, in milliseconds. */
const SWEEP_EVERY_MS = 60_000;

/** Leases and blocks, as the router's handlers and the doors need them. */
export interface Leases {
  readonly deps: RevocationDeps & IdentityBlockDeps;
  /** Who is shut out of the doors. */
  readonly blocked: BlockedIdentities;
}

/** Learns who is blocked, and has revocations forgotten that are over. */
export async function openLeases({ config, clock, log, closers }: Ground, store: SqliteStore): Promise<Leases> {
  const { revocations, revocationNews, identityBlocks } = store;
  const { trustDomain, roleMap } = config;
  const blocked = new BlockedIdentities();
  await identityBlocks.watch((spiffeId, isBlocked) => blocked.set(spiffeId, isBlocked));
  const sweeping = sweepEvery({ everyMs: SWEEP_EVERY_MS, log, failure: "revocations were not swept" }, () =>
    revocations.sweep(),
  );
  closers.add(() => sweeping.stop());
  return { deps: { revocations, revocationNews, identityBlocks, trustDomain, roleMap, clock }, blocked };
}
