import { policyStoreContract } from "../contract/policy-store.ts";
import { createMemoryPolicyStore } from "../support/memory-policy-store.ts";

policyStoreContract("memory", async () => {
  const { events, ...memory } = createMemoryPolicyStore();
  const changes = async () => events.toReversed().map(({ kind, details }) => ({ kind, details }));
  return { ...memory, changes, close() {} };
});
