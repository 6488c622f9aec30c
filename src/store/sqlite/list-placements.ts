import { LIMITS } from "../../base/limits.ts";
import type { AgentName, Placement, PlacementFilter, PlacementList } from "../../router/ports.ts";
import type { Connection } from "./open-database.ts";
import { PLACEMENT_COLUMNS, type PlacementRow, toPlacement } from "./rows.ts";

/** Reads a part of the placements, from the index that narrows it most. */
export function createPlacementLister(
  reader: Connection,
): (filter: PlacementFilter, limit: number, after: AgentName | undefined) => PlacementList {
  const select = (index: string, conditions: string) =>
    reader.prepare(
      `SELECT ${PLACEMENT_COLUMNS} FROM placement ${index} WHERE ${conditions} AND (account, agent) > (@afterAccount, @afterAgent)
        ORDER BY account, agent`,
    );
  const ofOneAgent = select("", "account = @account AND agent = @agent");
  const ofAgents = select("INDEXED BY placement_by_agent", "agent = @agent");
  const ofHostAndAccount = select("INDEXED BY placement_by_host", "host = @host AND account = @account");
  const ofHost = select("INDEXED BY placement_by_host", "host = @host");
  const ofAccount = select("", "account = @account");
  const ofAll = select("", "TRUE");

  function statementFor({ account, host, agent }: PlacementFilter) {
    if (agent !== undefined) return account === undefined ? ofAgents : ofOneAgent;
    if (host !== undefined) return account === undefined ? ofHost : ofHostAndAccount;
    return account === undefined ? ofAll : ofAccount;
  }

  return (filter, limit, after) => {
    const { account, host, agent, endsAfterMs = Number.NEGATIVE_INFINITY } = filter;
    const values = { account, host, agent, afterAccount: after?.account ?? "", afterAgent: after?.agent ?? "" };
    const placements: Placement[] = [];
    let scanned = 0;
    let last: AgentName | undefined;
    // Row by row: ended placements stay in the table, and however many stand in a row, a part looks at so many and no more.
    for (const row of statementFor(filter).iterate(values)) {
      if (last !== undefined && (placements.length === limit || scanned === LIMITS.placementsScannedMax))
        return { placements, next: last };
      scanned += 1;
      const placement = toPlacement(row as PlacementRow);
      last = { account: placement.account, agent: placement.agent };
      if ((host === undefined || placement.host === host) && placement.expireMs > endsAfterMs)
        placements.push(placement);
    }
    return { placements };
  };
}
