import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import type { Caller } from "../identity/roles.ts";
import { checkBatch, soleAccount } from "./agent-batch.ts";
import type { AgentRef, PlacementStore } from "./ports.ts";

const METHOD = "plori.router.v1.RouterService/RemoveAgents";

/** What removing agents needs. */
export interface RemoveAgentsDeps {
  readonly placements: Pick<PlacementStore, "remove">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Agents whose placements end. */
export interface RemoveAgentsInput {
  readonly agents: readonly AgentRef[];
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Ends the placements of 1-500 agents, durably; an agent that is not placed is no error. Returns how many were placed until now.
 * Throws FIELDS_INVALID or REQUEST_ID_CONFLICT.
 */
export async function removeAgents(
  deps: RemoveAgentsDeps,
  input: RemoveAgentsInput,
  caller: Caller,
): Promise<{ readonly removedCount: number }> {
  const { agents } = input;
  const fields = new FieldChecker();
  checkBatch(fields, "agents", agents);
  for (const [index, { generation }] of agents.slice(0, LIMITS.placementsMax).entries()) {
    fields.check(generation >= 0n, `agents[${index}].generation`, "must not be negative");
  }
  fields.requestId(input.requestId);
  fields.actor(input.actor);
  fields.done();
  const request = requestKey(input.requestId, caller, METHOD, "", {
    agents: hashField(...agents.flatMap((ref) => [ref.account, ref.agent, ref.generation])),
    actor: hashField(input.actor),
  });
  return deps.placements.remove(agents, {
    audit: {
      kind: "agents.removed",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor: input.actor,
      account: soleAccount(agents),
      subject: "placements",
      details: {
        count: String(agents.length),
        agents: agents.map((ref) => `${ref.account}/${ref.agent}#${ref.generation}`).join(" "),
      },
    },
    ...(request === undefined ? {} : { request }),
  });
}
