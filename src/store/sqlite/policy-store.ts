import { DEFAULT_POLICY, type RoutingPolicy } from "../../router/decision.ts";
import { toRoutingPolicy } from "../../router/policy-record.ts";
import type { PolicyDirectory, PolicyStore } from "../../router/ports.ts";
import type { Connection } from "./open-database.ts";
import { SELECT_POLICY, toPolicyRecord } from "./policy-rows.ts";
import { RowCache } from "./row-cache.ts";
import type { Writer } from "./writer.ts";

/** Accounts whose policies are kept in memory. */
const CACHED_POLICIES_MAX = 100_000;

/** Routing policies in SQLite, those of the hot set in memory. */
export function createPolicyStore(
  reader: Connection,
  writer: Writer,
): { readonly policies: PolicyStore; readonly policyDirectory: PolicyDirectory } {
  const selectOne = reader.prepare(SELECT_POLICY);
  // That an account has none is remembered too, as the one default: most have none, and every route asks. Routes ask only for accounts with an agent on the
  // calling host, so nobody can push out the hot set with inventions.
  const cache = new RowCache<RoutingPolicy>(CACHED_POLICIES_MAX, (account) => {
    const record = toPolicyRecord(selectOne.get(account));
    return record === undefined ? DEFAULT_POLICY : toRoutingPolicy(record);
  });
  return {
    policies: {
      async find(account) {
        return toPolicyRecord(selectOne.get(account));
      },
      async put(account, choices, etag, mutation) {
        const stored = await writer.submit("putPolicy", { account, choices, etag, mutation });
        cache.forget(account);
        return stored;
      },
    },
    policyDirectory: {
      policyOf: async (account) => cache.get(account) ?? DEFAULT_POLICY,
      warmPolicyOf: (account) => cache.get(account),
    },
  };
}
