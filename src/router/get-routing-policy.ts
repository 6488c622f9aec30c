import { FieldChecker } from "../base/fields.ts";
import { PLATFORM_ACCOUNT } from "../base/provider.ts";
import type { PolicyRecord, PolicyStore } from "./ports.ts";

/** The account's policy; undefined: it has set none, and the default holds. Throws FIELDS_INVALID. */
export async function getRoutingPolicy(
  policies: Pick<PolicyStore, "find">,
  account: string,
): Promise<PolicyRecord | undefined> {
  const fields = new FieldChecker();
  checkPolicyAccount(fields, account);
  fields.done();
  return policies.find(account);
}

/** Notes what is wrong with the account whose policy is meant. */
export function checkPolicyAccount(fields: FieldChecker, account: string): void {
  fields.id("account", account);
  fields.check(account !== PLATFORM_ACCOUNT, "account", "is reserved for plori's own keys and runs no agents");
}
