import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import { PLATFORM_ACCOUNT } from "../base/provider.ts";
import type { Caller } from "../identity/roles.ts";
import { checkBatch, soleAccount } from "./agent-batch.ts";
import type { Placement, PlacementStore } from "./ports.ts";

const METHOD = "plori.router.v1.RouterService/PlaceAgents";

/** What placing agents needs. */
export interface PlaceAgentsDeps {
  readonly placements: Pick<PlacementStore, "place" | "findAnswer">;
  readonly clock: Pick<Clock, "nowMs">;
  /** How much an account may owe, in nano-credits, and still get its agents placed. */
  readonly overdraftLimitNano: bigint;
}

/** A placement as asked for; its end may be missing. */
export type WantedPlacement = Omit<Placement, "expireMs"> & { readonly expireMs: number | undefined };

/** Agents and where they run from now on. */
export interface PlaceAgentsInput {
  readonly placements: readonly WantedPlacement[];
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Places 1-500 agents, all or none, durably. Returns the placements as stored, in the order of the request.
 * Throws FIELDS_INVALID, CREDITS_EXHAUSTED, STALE_GENERATION or REQUEST_ID_CONFLICT.
 */
export async function placeAgents(
  deps: PlaceAgentsDeps,
  input: PlaceAgentsInput,
  caller: Caller,
): Promise<readonly Placement[]> {
  const nowMs = deps.clock.nowMs();
  const { placements, fields } = checkPlacements(input, nowMs);
  const request = requestKey(input.requestId, caller, METHOD, "", {
    placements: hashField(...placements.flatMap((p) => [p.account, p.agent, p.host, p.generation, p.expireMs])),
    actor: hashField(input.actor),
  });
  // A late repetition of a request that was answered gets its answer, although its placements have ended meanwhile.
  if (request !== undefined && fields.violations.length > 0) {
    const before = await deps.placements.findAnswer(request);
    if (before !== undefined) return before;
  }
  fields.done();
  return deps.placements.place(placements, deps.overdraftLimitNano, {
    audit: {
      kind: "agents.placed",
      timeMs: nowMs,
      caller: caller.spiffeId,
      actor: input.actor,
      account: soleAccount(placements),
      subject: "placements",
      // The whole list: who was let onto which host is what an auditor asks first after a host was stolen.
      details: { count: String(placements.length), placements: placements.map(describePlacement).join(" ") },
    },
    ...(request === undefined ? {} : { request }),
  });
}

/** The placements that a request asks for, at most as many as one may, and everything that is wrong with it. */
function checkPlacements(
  input: PlaceAgentsInput,
  nowMs: number,
): { readonly placements: readonly Placement[]; readonly fields: FieldChecker } {
  const fields = new FieldChecker();
  checkBatch(fields, "placements", input.placements);
  const placements: Placement[] = [];
  for (const [index, wanted] of input.placements.slice(0, LIMITS.placementsMax).entries()) {
    const at = `placements[${index}]`;
    fields.check(
      wanted.account !== PLATFORM_ACCOUNT,
      `${at}.account`,
      "is reserved for plori's own keys and runs no agents",
    );
    fields.id(`${at}.host`, wanted.host);
    fields.check(wanted.generation >= 1n, `${at}.generation`, "must be 1 or more");
    const expireMs = wanted.expireMs ?? nowMs;
    fields.check(
      expireMs > nowMs && expireMs <= nowMs + LIMITS.placementMaxMs,
      `${at}.expire_time`,
      "must be in the future, at most 24 hours ahead",
    );
    placements.push({ ...wanted, expireMs });
  }
  fields.requestId(input.requestId);
  fields.actor(input.actor);
  return { placements, fields };
}

/** One placement in the audit's words. Ids hold none of the separators. */
function describePlacement({ account, agent, host, generation, expireMs }: Placement): string {
  return `${account}/${agent}@${host}#${generation}<${expireMs}`;
}
