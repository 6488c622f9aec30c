import { type PloriError, refuse } from "../base/errors.ts";
import type { Caller } from "../identity/roles.ts";
import type { Placement, PlacementStore } from "./ports.ts";

/** Whether the agent runs on the calling host now. */
export type PlacementCheck =
  | { readonly kind: "placed"; readonly placement: Placement }
  | { readonly kind: "not-placed" };

/** Looks where the agent is placed. No role but agent-host is ever placed, whatever its id is called. */
export async function checkPlacement(
  placements: Pick<PlacementStore, "find">,
  agent: { readonly account: string; readonly agent: string },
  caller: Caller,
  nowMs: number,
): Promise<PlacementCheck> {
  if (caller.role !== "agent-host") return { kind: "not-placed" };
  const placement = await placements.find(agent.account, agent.agent);
  if (placement === undefined || placement.host !== caller.name || placement.expireMs <= nowMs)
    return { kind: "not-placed" };
  return { kind: "placed", placement };
}

/** The one denial, word for word the same for every cause: it must not tell whether an account or agent exists or where it runs. */
export function notPlaced(): PloriError {
  return refuse("AGENT_NOT_PLACED", "No such agent runs on the calling host. The scheduler places agents.");
}
