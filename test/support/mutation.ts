import type { AuditEvent } from "../../src/audit/event.ts";
import type { Mutation, RequestKey } from "../../src/audit/mutation.ts";

/** A mutation as a verb would make it. */
export function testMutation(
  account: string,
  kind: AuditEvent["kind"] = "key.connected",
  request?: RequestKey,
): Mutation {
  const audit: AuditEvent = {
    kind,
    timeMs: 1_790_000_000_000,
    caller: "spiffe://dev.plori.internal/settings/dev",
    actor: "user-1",
    account,
    subject: `accounts/${account}`,
    details: {},
  };
  return request === undefined ? { audit } : { audit, request };
}

/** A request id as a verb would make it. */
export function testRequest(account: string, requestId: string, fieldHashes: Record<string, string>): RequestKey {
  return { caller: "spiffe://dev.plori.internal/settings/dev", method: "Test/Test", account, requestId, fieldHashes };
}
