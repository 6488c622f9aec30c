import type { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";

interface NamedAgent {
  readonly account: string;
  readonly agent: string;
}

/** Notes what is wrong with a list of agents as such: its size, their ids, and agents that stand in it twice. */
export function checkBatch(fields: FieldChecker, field: string, agents: readonly NamedAgent[]): void {
  const { placementsMax } = LIMITS;
  fields.check(agents.length >= 1 && agents.length <= placementsMax, field, `must hold 1-${placementsMax} agents`);
  const seen = new Set<string>();
  for (const [index, { account, agent }] of agents.slice(0, placementsMax).entries()) {
    fields.id(`${field}[${index}].account`, account);
    fields.id(`${field}[${index}].agent`, agent);
    const name = `${account}/${agent}`;
    fields.check(!seen.has(name), `${field}[${index}].agent`, "stands in the request twice");
    seen.add(name);
  }
}

/** The account, when all agents are of one; empty otherwise. */
export function soleAccount(agents: readonly NamedAgent[]): string {
  const account = agents[0]?.account ?? "";
  return agents.every((agent) => agent.account === account) ? account : "";
}
