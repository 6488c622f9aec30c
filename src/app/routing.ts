import type { Handlers } from "../doors/handlers.ts";
import { bucketsOf, createResolveLimits, hostLimited, type ResolveLimits } from "../router/resolve-limits.ts";
import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import type { Ground } from "./ground.ts";

/** What accounts chose about their routes, and how often hosts may ask. */
export interface Routing {
  readonly deps: Pick<SqliteStore, "policies" | "policyDirectory"> & { readonly resolveLimits: ResolveLimits };
  /**
   * The handlers, but that each agent host may report outcomes and record usage no more often than it may ask for routes. A report makes us probe, and a record
   * makes us write: one host must not take all of either. Recorders are services of ours and not limited.
   */
  limitHosts(handlers: Handlers): Handlers;
}

/** Opens both. */
export function openRouting({ config, clock }: Ground, { policies, policyDirectory }: SqliteStore): Routing {
  const { resolvesPerSecond } = config;
  const { perHost } = resolvesPerSecond;
  const reports = bucketsOf(clock, perHost);
  const records = bucketsOf(clock, perHost);
  return {
    deps: { policies, policyDirectory, resolveLimits: createResolveLimits(clock, resolvesPerSecond) },
    limitHosts: (handlers) => ({
      ...handlers,
      router: {
        ...handlers.router,
        async reportOutcome(request, call) {
          const waitMs = reports.take(call.caller.name);
          if (waitMs > 0) throw hostLimited(perHost, "reports", waitMs);
          return handlers.router.reportOutcome(request, call);
        },
      },
      ledger: {
        ...handlers.ledger,
        async recordUsage(request, call) {
          const waitMs = call.caller.role === "agent-host" ? records.take(call.caller.name) : 0;
          if (waitMs > 0) throw hostLimited(perHost, "RecordUsage calls", waitMs);
          return handlers.ledger.recordUsage(request, call);
        },
      },
    }),
  };
}
