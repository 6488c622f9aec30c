import type { Mutation } from "../../../audit/mutation.ts";
import { refuse } from "../../../base/errors.ts";
import { LIMITS } from "../../../base/limits.ts";
import { pastOverdraftLimit } from "../../../router/past-overdraft-limit.ts";
import type { AgentRef, Placement } from "../../../router/ports.ts";
import { overdraftNano } from "../ledger-hold.ts";
import { PLACEMENT_COLUMNS, type PlacementRow } from "../rows.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";
import { revokeAgentLeases } from "./revoke.ts";

const SELECT_PLACEMENT = `SELECT ${PLACEMENT_COLUMNS} FROM placement WHERE account = ? AND agent = ?`;

/** Placements to store, with their mutation. */
export interface PlaceAgentsInput {
  readonly placements: readonly Placement[];
  readonly overdraftLimitNano: bigint;
  readonly mutation: Mutation;
}

/** Places all or none, unless one of the accounts owes too much. A higher generation moves an agent, the same one from the same host renews, anything else is stale. */
export function placeAgents(
  tx: WriteTransaction,
  { placements, overdraftLimitNano, mutation }: PlaceAgentsInput,
): readonly Placement[] {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as readonly Placement[];
  const replaced: PlacementRow[] = [];
  const accounts = [...new Set(placements.map(({ account }) => account))];
  const owing = accounts.filter((account) => overdraftNano(tx, account) > overdraftLimitNano);
  if (owing.length > 0) throw pastOverdraftLimit(owing, overdraftLimitNano);
  const stale = placements.filter((placement) => {
    const row = tx.get(SELECT_PLACEMENT, placement.account, placement.agent) as PlacementRow | undefined;
    if (row !== undefined) replaced.push(row);
    if (row === undefined || placement.generation > row.generation) return false;
    return placement.generation !== row.generation || placement.host !== row.host;
  });
  const first = stale[0];
  if (first !== undefined) {
    throw refuse(
      "STALE_GENERATION",
      `Agent ${first.agent} of account ${first.account} has a placement that generation ${first.generation} may not replace (${stale.length} of ${placements.length} placements are stale; none was stored). Read the newest generation and place again.`,
      {
        account: first.account,
        agent: first.agent,
        generation: first.generation.toString(),
        stale_count: stale.length.toString(),
      },
    );
  }
  for (const { account, agent, host, generation, expireMs } of placements) {
    tx.run(
      "INSERT OR REPLACE INTO placement (account, agent, host, generation, expire_ms) VALUES (?, ?, ?, ?, ?)",
      account,
      agent,
      host,
      generation,
      expireMs,
    );
  }
  revokeReplaced(tx, replaced, placements);
  recordMutation(tx, mutation, placements);
  return placements;
}

/** Revokes the leases of agents that moved away, and those that would outlive a placement whose end was moved up. */
function revokeReplaced(
  tx: WriteTransaction,
  replaced: readonly PlacementRow[],
  placements: readonly Placement[],
): void {
  if (replaced.length === 0) return;
  const placed = new Map(placements.map((placement) => [`${placement.account}/${placement.agent}`, placement]));
  for (const before of replaced) {
    const now = placed.get(`${before.account}/${before.agent}`);
    if (now === undefined) continue;
    if (now.host !== before.host) revokeAgentLeases(tx, before, "AGENT_MOVED");
    else if (now.expireMs < Math.min(Number(before.expireMs), tx.wallMs + LIMITS.byokReuseMs))
      revokeAgentLeases(tx, before, "AGENT_REMOVED");
  }
}

/** Placements to end, with their mutation. */
export interface RemoveAgentsInput {
  readonly agents: readonly AgentRef[];
  readonly mutation: Mutation;
}

/**
 * Ends the placements that are not newer than asked for. The row stays, expired, so that its generation is remembered: a late order of an older
 * generation must not place the agent again.
 */
export function removeAgents(tx: WriteTransaction, { agents, mutation }: RemoveAgentsInput): { removedCount: number } {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as { removedCount: number };
  let removedCount = 0;
  for (const { account, agent, generation } of agents) {
    const row = tx.get(SELECT_PLACEMENT, account, agent) as PlacementRow | undefined;
    if (row === undefined || row.expireMs <= tx.wallMs || (generation !== 0n && row.generation > generation)) continue;
    tx.run("UPDATE placement SET expire_ms = 0 WHERE account = ? AND agent = ?", account, agent);
    revokeAgentLeases(tx, row, "AGENT_REMOVED");
    removedCount += 1;
  }
  const answer = { removedCount };
  recordMutation(tx, mutation, answer);
  return answer;
}
