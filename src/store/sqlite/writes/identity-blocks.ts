import type { Mutation } from "../../../audit/mutation.ts";
import { refuse } from "../../../base/errors.ts";
import type { Blocked, IdentityBlock } from "../../../router/identity-block-ports.ts";
import { type BlockRow, SELECT_BLOCK, toIdentityBlock } from "../identity-block-store.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";
import { revokeHostLeases } from "./revoke.ts";

/** An identity to block, with its mutation. */
export interface BlockIdentityInput {
  readonly block: IdentityBlock;
  /** The agent host that it is, if it is one. */
  readonly host: string | undefined;
  readonly mutation: Mutation;
}

/** Blocks an identity; ends and revokes what its host has. The placements' rows stay, so that their generations are remembered. */
export function blockIdentity(tx: WriteTransaction, { block, host, mutation }: BlockIdentityInput): Blocked {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as Blocked;
  tx.run(
    "INSERT INTO identity_block (spiffe_id, reason, create_ms) VALUES (?, ?, ?) ON CONFLICT (spiffe_id) DO UPDATE SET reason = excluded.reason",
    block.spiffeId,
    block.reason,
    block.createMs,
  );
  let endedPlacementCount = 0;
  if (host !== undefined) {
    endedPlacementCount = tx.run(
      "UPDATE placement SET expire_ms = 0 WHERE host = ? AND expire_ms > ?",
      host,
      tx.wallMs,
    );
    revokeHostLeases(tx, host, "IDENTITY_BLOCKED");
  }
  const row = tx.get(SELECT_BLOCK, block.spiffeId) as BlockRow;
  tx.news.note({ feed: "identity-blocks", topic: block.spiffeId, seq: row.seq });
  const answer = { block: toIdentityBlock(row), endedPlacementCount };
  const details = { ...mutation.audit.details, placements: String(endedPlacementCount) };
  recordMutation(tx, { ...mutation, audit: { ...mutation.audit, details } }, answer);
  return answer;
}

/** A block to end, with its mutation. */
export interface UnblockIdentityInput {
  readonly spiffeId: string;
  readonly mutation: Mutation;
}

/** Ends a block and returns it as it was. */
export function unblockIdentity(tx: WriteTransaction, { spiffeId, mutation }: UnblockIdentityInput): IdentityBlock {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as IdentityBlock;
  const row = tx.get(SELECT_BLOCK, spiffeId) as BlockRow | undefined;
  if (row === undefined) {
    throw refuse("IDENTITY_BLOCK_NOT_FOUND", `${spiffeId} is not blocked. ListIdentityBlocks tells who is.`, {
      spiffe_id: spiffeId,
    });
  }
  tx.run("DELETE FROM identity_block WHERE seq = ?", row.seq);
  tx.news.note({ feed: "identity-blocks", topic: spiffeId, seq: row.seq });
  const answer = toIdentityBlock(row);
  recordMutation(tx, mutation, answer);
  return answer;
}
