import type { Refusal } from "../base/errors.ts";
import type { RouteFacts } from "./rows.ts";
import type { Authority, Recorder, UsageRecord } from "./usage-record.ts";
import type { WorkingSet } from "./working-set.ts";

/** The resource name of a hold. */
export function holdName(account: string, holdId: string): string {
  return `accounts/${account}/holds/${holdId}`;
}

/**
 * The route that a model call's record names, by itself or by its hold. One that belongs to another account, agent or host looks exactly like one that
 * does not exist.
 */
export function findRoute(
  set: WorkingSet,
  record: Pick<UsageRecord, "account" | "agent">,
  authority: Authority,
  recorder: Recorder,
): RouteFacts | Refusal {
  const named = authority.kind === "route" ? authority.routeId : authority.kind === "hold" ? authority.name : "";
  const routeId = authority.kind === "hold" ? routeOfHold(set, record.account, authority.name) : named;
  const route = routeId === undefined ? undefined : set.route(record.account, routeId);
  const mayRecord =
    route !== undefined &&
    route.agent === record.agent &&
    (recorder.role === "recorder" || route.host === recorder.host);
  if (mayRecord) return route;
  return authority.kind === "hold"
    ? {
        reason: "HOLD_NOT_FOUND",
        message: `There is no hold ${named} of this agent that you may record against. Use the hold as ResolveRoute returned it.`,
        metadata: { hold: named },
      }
    : {
        reason: "ROUTE_NOT_FOUND",
        message: `There is no route ${named} of this agent that you may record against. Use the route as ResolveRoute returned it.`,
        metadata: { route: named },
      };
}

function routeOfHold(set: WorkingSet, account: string, name: string): string | undefined {
  const prefix = holdName(account, "");
  if (!name.startsWith(prefix)) return undefined;
  return set.hold(account, name.slice(prefix.length))?.routeId;
}
