import type { AuditEvent } from "../../src/audit/event.ts";
import { refuse } from "../../src/base/errors.ts";
import { pastOverdraftLimit } from "../../src/router/past-overdraft-limit.ts";
import type { AgentName, Placement, PlacementStore } from "../../src/router/ports.ts";
import { createMemoryRequests } from "./memory-requests.ts";

/** An empty placement store in memory. */
export function createMemoryPlacementStore(): {
  /** Puts the account into debt. */
  readonly owe: (account: string, nano: bigint) => Promise<void>;
  readonly store: PlacementStore;
  readonly audit: readonly AuditEvent[];
} {
  const placed = new Map<string, Placement>();
  const owed = new Map<string, bigint>();
  const audit: AuditEvent[] = [];
  const requests = createMemoryRequests();
  const store: PlacementStore = {
    async find(account, agent) {
      return placed.get(`${account}/${agent}`);
    },
    async list({ account, host, agent, endsAfterMs = Number.NEGATIVE_INFINITY }, limit, after) {
      const order = (a: AgentName, b: AgentName) => compare(a.account, b.account) || compare(a.agent, b.agent);
      const found = [...placed.values()]
        .filter((one) => account === undefined || one.account === account)
        .filter((one) => host === undefined || one.host === host)
        .filter((one) => agent === undefined || one.agent === agent)
        .filter((one) => one.expireMs > endsAfterMs && (after === undefined || order(one, after) > 0))
        .sort(order);
      const placements = found.slice(0, limit);
      const last = placements.at(-1);
      if (last === undefined || found.length <= limit) return { placements };
      return { placements, next: { account: last.account, agent: last.agent } };
    },
    async place(placements, overdraftLimitNano, mutation) {
      const before = requests.find(mutation.request);
      if (before !== undefined) return before.answer as readonly Placement[];
      const accounts = [...new Set(placements.map(({ account }) => account))];
      const owing = accounts.filter((account) => (owed.get(account) ?? 0n) > overdraftLimitNano);
      if (owing.length > 0) throw pastOverdraftLimit(owing, overdraftLimitNano);
      const stale = placements.filter((wanted) => {
        const current = placed.get(`${wanted.account}/${wanted.agent}`);
        if (current === undefined || wanted.generation > current.generation) return false;
        return wanted.generation < current.generation || wanted.host !== current.host;
      });
      const first = stale[0];
      if (first !== undefined) {
        throw refuse("STALE_GENERATION", "A newer placement of the agent exists.", {
          account: first.account,
          agent: first.agent,
          generation: String(placed.get(`${first.account}/${first.agent}`)?.generation ?? 0n),
          stale_count: String(stale.length),
        });
      }
      for (const wanted of placements) placed.set(`${wanted.account}/${wanted.agent}`, wanted);
      audit.push(mutation.audit);
      requests.keep(mutation.request, placements);
      return placements;
    },
    async findAnswer(request) {
      return requests.find(request)?.answer as readonly Placement[] | undefined;
    },
    async remove(agents, mutation) {
      const before = requests.find(mutation.request);
      if (before !== undefined) return before.answer as { readonly removedCount: number };
      let removedCount = 0;
      for (const { account, agent, generation } of agents) {
        const current = placed.get(`${account}/${agent}`);
        if (current === undefined || (generation !== 0n && current.generation > generation)) continue;
        if (current.expireMs === 0) continue;
        // The generation is remembered: a late order of an older one must not place the agent again.
        placed.set(`${account}/${agent}`, { ...current, expireMs: 0 });
        removedCount += 1;
      }
      audit.push(mutation.audit);
      requests.keep(mutation.request, { removedCount });
      return { removedCount };
    },
  };
  return { owe: async (account, nano) => void owed.set(account, nano), store, audit };
}

function compare(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}
