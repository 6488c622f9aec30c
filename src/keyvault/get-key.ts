import type { Clock } from "../base/clock.ts";
import { refuse } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import type { Provider } from "../base/provider.ts";
import type { Caller } from "../identity/roles.ts";
import { checkAccountAccess } from "./account-access.ts";
import { recordAt } from "./change-state.ts";
import { checkKeyId, keyIdOf } from "./key-id.ts";
import { checkProvider, type NamedProvider } from "./named-provider.ts";
import type { KeyRecord, KeyStore } from "./ports.ts";

/** What getting a key needs. */
export interface GetKeyDeps {
  readonly keys: Pick<KeyStore, "find">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Names one key of an account. */
export interface GetKeyInput {
  readonly account: string;
  readonly provider: NamedProvider;
  /** plori's own keys; absent or empty: the provider's slug. */
  readonly keyId?: string;
}

/** One key's record. Throws FIELDS_INVALID, ROLE_NOT_ALLOWED or KEY_NOT_FOUND. */
export async function getKey(deps: GetKeyDeps, input: GetKeyInput, caller: Caller): Promise<KeyRecord> {
  const fields = new FieldChecker();
  fields.id("account", input.account);
  const provider = checkProvider(fields, input.provider);
  checkKeyId(fields, input.account, provider, input.keyId ?? "");
  fields.done();
  checkAccountAccess(input.account, caller, "read");
  const record =
    provider === undefined ? undefined : await deps.keys.find(input.account, keyIdOf(provider, input.keyId ?? ""));
  if (record === undefined || record.provider !== provider) throw keyNotFound(input.account, input.provider);
  return recordAt(record, deps.clock.nowMs());
}

/** The refusal for a key that is not there. */
export function keyNotFound(account: string, provider: Provider | "anthropic" | undefined): Error {
  return refuse("KEY_NOT_FOUND", "The account has no key for this provider. ListKeys tells which it has.", {
    account,
    provider: provider ?? "",
  });
}
