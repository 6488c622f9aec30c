import type { Mutation } from "../audit/mutation.ts";

/** That an identity is shut out of both doors. */
export interface IdentityBlock {
  /** The SPIFFE id, trust domain in lower case. */
  readonly spiffeId: string;
  /** Why, in the admin's words. */
  readonly reason: string;
  readonly createMs: number;
}

/** A block in its list. */
export interface ListedBlock extends IdentityBlock {
  /** Its place: newer blocks have higher numbers. */
  readonly seq: bigint;
}

/** What a block did. */
export interface Blocked {
  readonly block: IdentityBlock;
  /** How many placements ended with it. */
  readonly endedPlacementCount: number;
}

/** Keeps who is shut out. There is no bound on their number: it would one day let a stolen identity in, and only admins add to it. */
export interface IdentityBlockStore {
  /**
   * Tells `listener` of every identity that is blocked, then resolves; later of each block and unblock, before the caller of that change has its
   * answer. A block of an identity that is blocked already is told, too. Called once.
   */
  watch(listener: (spiffeId: string, isBlocked: boolean) => void): Promise<void>;
  /** Blocks below `before` (undefined: all), the newest first, at most `limit`. */
  list(before: bigint | undefined, limit: number): Promise<readonly ListedBlock[]>;
  /**
   * Blocks an identity, durably. If it is the agent host `host`, ends everything that is placed there and revokes all of its leases, in the same
   * transaction. One that is blocked already keeps its time and takes the new reason, and what was placed there since ends as well.
   */
  block(block: IdentityBlock, host: string | undefined, mutation: Mutation): Promise<Blocked>;
  /** Ends a block, durably, and returns it as it was. Throws IDENTITY_BLOCK_NOT_FOUND. */
  unblock(spiffeId: string, mutation: Mutation): Promise<IdentityBlock>;
}
