import type { IdentityBlock, IdentityBlockStore } from "../../router/identity-block-ports.ts";
import type { Connection } from "./open-database.ts";
import type { Writer } from "./writer.ts";

const COLUMNS = "seq, spiffe_id AS spiffeId, reason, create_ms AS createMs";

/** Selects one identity's block. */
export const SELECT_BLOCK = `SELECT ${COLUMNS} FROM identity_block WHERE spiffe_id = ?`;

/** A block as SQLite gives it. */
export interface BlockRow {
  readonly seq: bigint;
  readonly spiffeId: string;
  readonly reason: string;
  readonly createMs: bigint;
}

/** A row as the router floor knows it. */
export function toIdentityBlock({ spiffeId, reason, createMs }: BlockRow): IdentityBlock {
  return { spiffeId, reason, createMs: Number(createMs) };
}

/** Blocks in SQLite. `forgetPlacements` drops what is kept in memory of placements, which a block ends. */
export function createIdentityBlockStore(
  reader: Connection,
  writer: Writer,
  forgetPlacements: () => void,
): IdentityBlockStore {
  const selectAll = reader.prepare("SELECT spiffe_id AS spiffeId FROM identity_block");
  const selectOne = reader.prepare(SELECT_BLOCK);
  const selectPage = reader.prepare(`SELECT ${COLUMNS} FROM identity_block WHERE seq < ? ORDER BY seq DESC LIMIT ?`);
  return {
    async watch(listener) {
      // What is said is what stands in the table at that moment, whichever request wrote it: a repeated request id changes nothing.
      writer.onNews("identity-blocks", ({ topic }) => listener(topic, selectOne.get(topic) !== undefined));
      for (const { spiffeId } of selectAll.all() as Pick<BlockRow, "spiffeId">[]) listener(spiffeId, true);
    },
    async list(before, limit) {
      const rows = selectPage.all(before ?? BigInt(Number.MAX_SAFE_INTEGER), limit) as BlockRow[];
      return rows.map((row) => ({ ...toIdentityBlock(row), seq: row.seq }));
    },
    async block(block, host, mutation) {
      const blocked = await writer.submit("blockIdentity", { block, host, mutation });
      forgetPlacements();
      return blocked;
    },
    unblock: (spiffeId, mutation) => writer.submit("unblockIdentity", { spiffeId, mutation }),
  };
}
