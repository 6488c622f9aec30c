import type { Placement, PlacementStore } from "../../router/ports.ts";
import { createPlacementLister } from "./list-placements.ts";
import type { Connection } from "./open-database.ts";
import { answerKey, readAnswer, SELECT_ANSWER } from "./requests.ts";
import { RowCache } from "./row-cache.ts";
import { PLACEMENT_COLUMNS, type PlacementRow, toPlacement } from "./rows.ts";
import type { Writer } from "./writer.ts";

/** Placements kept in memory. */
const CACHED_PLACEMENTS_MAX = 100_000;

/** Neither an account id nor an agent id can hold a slash. */
function cacheKey(account: string, agent: string): string {
  return `${account}/${agent}`;
}

/** Placements in SQLite, the hot ones in memory. `forgetPlacements` drops what is kept there, for whoever ends placements by their host. */
export function createPlacementStore(
  reader: Connection,
  writer: Writer,
): { readonly placements: PlacementStore; readonly forgetPlacements: () => void } {
  const selectOne = reader.prepare(`SELECT ${PLACEMENT_COLUMNS} FROM placement WHERE account = ? AND agent = ?`);
  const selectAnswer = reader.prepare(SELECT_ANSWER);
  const list = createPlacementLister(reader);
  const cache = new RowCache(CACHED_PLACEMENTS_MAX, (key) => {
    const [account, agent] = key.split("/");
    const row = selectOne.get(account, agent) as PlacementRow | undefined;
    return row === undefined ? undefined : toPlacement(row);
  });
  const placements: PlacementStore = {
    async find(account, agent) {
      return cache.get(cacheKey(account, agent));
    },
    list: async (filter, limit, after) => list(filter, limit, after),
    async place(placements, overdraftLimitNano, mutation) {
      const stored = await writer.submit("placeAgents", { placements, overdraftLimitNano, mutation });
      for (const { account, agent } of placements) cache.forget(cacheKey(account, agent));
      return stored;
    },
    async findAnswer(request) {
      return readAnswer(selectAnswer.get(...answerKey(request)), request)?.answer as readonly Placement[] | undefined;
    },
    async remove(agents, mutation) {
      const answer = await writer.submit("removeAgents", { agents, mutation });
      for (const { account, agent } of agents) cache.forget(cacheKey(account, agent));
      return answer;
    },
  };
  return { placements, forgetPlacements: () => cache.forgetAll() };
}
