import { refuse } from "../base/errors.ts";
import { PLATFORM_ACCOUNT } from "../base/provider.ts";
import type { Caller } from "../identity/roles.ts";

/**
 * Refuses callers that the reserved account is not for: plori's own keys are seen by admins and auditors and changed by admins alone.
 * Throws ROLE_NOT_ALLOWED. Which roles may call an RPC at all is the RPC table's business.
 */
export function checkAccountAccess(account: string, caller: Caller, access: "read" | "write"): void {
  if (account !== PLATFORM_ACCOUNT || caller.role === "admin") return;
  if (access === "read" && caller.role === "auditor") return;
  throw refuse(
    "ROLE_NOT_ALLOWED",
    `The account "${PLATFORM_ACCOUNT}" holds plori's own keys and is not open to the role ${caller.role}.`,
    { role: caller.role },
  );
}
