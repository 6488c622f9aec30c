import type { AuditEvent } from "../../src/audit/event.ts";
import { refuse } from "../../src/base/errors.ts";
import { DEFAULT_POLICY } from "../../src/router/decision.ts";
import { choicesOf, describeChoices, policyEtag, policyName, toRoutingPolicy } from "../../src/router/policy-record.ts";
import type { PolicyDirectory, PolicyRecord, PolicyStore } from "../../src/router/ports.ts";
import { createMemoryRequests } from "./memory-requests.ts";

/** An empty store of policies in memory. */
export function createMemoryPolicyStore(): {
  readonly store: PolicyStore;
  readonly directory: PolicyDirectory;
  readonly events: AuditEvent[];
} {
  const stored = new Map<string, PolicyRecord>();
  const events: AuditEvent[] = [];
  const requests = createMemoryRequests();
  const policyOf = (account: string) => {
    const record = stored.get(account);
    return record === undefined ? DEFAULT_POLICY : toRoutingPolicy(record);
  };
  return {
    events,
    directory: { policyOf: async (account) => policyOf(account), warmPolicyOf: policyOf },
    store: {
      find: async (account) => stored.get(account),
      async put(account, choices, etag, mutation) {
        const before = requests.find(mutation.request);
        if (before !== undefined) return before.answer as PolicyRecord;
        const current = stored.get(account);
        if (etag !== policyEtag(current) && (etag !== "" || current !== undefined))
          throw refuse("ETAG_MISMATCH", "It changed.", { policy: policyName(account), etag: policyEtag(current) });
        const record = { account, revision: (current?.revision ?? 0) + 1, ...choices, updateMs: mutation.audit.timeMs };
        stored.set(account, record);
        const details = { ...describeChoices("old", choicesOf(current)), ...describeChoices("new", choices) };
        events.push({ ...mutation.audit, details });
        requests.keep(mutation.request, record);
        return record;
      },
    },
  };
}
