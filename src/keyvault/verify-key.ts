import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { invariant } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import type { Caller } from "../identity/roles.ts";
import { checkAccountAccess } from "./account-access.ts";
import { recordAt } from "./change-state.ts";
import { keyNotFound } from "./get-key.ts";
import { checkKeyId, keyIdOf } from "./key-id.ts";
import type { KeyKeeper } from "./key-keeper.ts";
import { checkProvider, type NamedProvider } from "./named-provider.ts";
import type { KeyRecord, KeyStore } from "./ports.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/VerifyKey";

/** What verifying a key on demand needs. */
export interface VerifyKeyDeps {
  readonly keys: Pick<KeyStore, "find" | "findAnswer">;
  readonly keeper: Pick<KeyKeeper, "probe">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Names the key to verify. */
export interface VerifyKeyInput {
  readonly account: string;
  readonly provider: NamedProvider;
  /** plori's own keys; empty: the provider's slug. */
  readonly keyId: string;
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Asks the provider about a stored key now, and returns the key as it is then. `signal` ends the probe when the caller goes away.
 * Throws FIELDS_INVALID, ROLE_NOT_ALLOWED, KEY_NOT_FOUND, REQUEST_ID_CONFLICT, RATE_LIMITED, PROVIDER_UNREACHABLE, CANCELLED, ETAG_MISMATCH (the key changed again and again),
 * and what opening the key and the store throw.
 */
export async function verifyKey(
  deps: VerifyKeyDeps,
  input: VerifyKeyInput,
  caller: Caller,
  signal?: AbortSignal,
): Promise<KeyRecord> {
  const { account, actor } = input;
  const fields = new FieldChecker();
  fields.id("account", account);
  const provider = checkProvider(fields, input.provider);
  checkKeyId(fields, account, provider, input.keyId);
  fields.requestId(input.requestId);
  fields.actor(actor);
  fields.done();
  checkAccountAccess(account, caller, "write");
  if (provider === undefined) throw keyNotFound(account, input.provider);
  const keyId = keyIdOf(provider, input.keyId);
  const request = requestKey(input.requestId, caller, METHOD, account, {
    account: hashField(account),
    provider: hashField(provider),
    key_id: hashField(input.keyId),
    actor: hashField(actor),
  });
  const answered = request === undefined ? undefined : await deps.keys.findAnswer(request);
  if (answered !== undefined) return answered;
  const found = await deps.keys.find(account, keyId);
  if (found?.provider !== provider) throw keyNotFound(account, provider);
  const cause = {
    caller: caller.spiffeId,
    actor,
    details: { cause: "asked" },
    auditAlways: true,
    ...(request === undefined ? {} : { request }),
  };
  const options = { for: "OWNER" as const, ...(signal === undefined ? {} : { signal }) };
  const verified = await deps.keeper.probe({ account, keyId, version: found.version }, cause, options);
  // It was replaced, or removed, while it was probed; a key that was connected just now was probed just now.
  const record = verified ?? (await deps.keys.find(account, keyId));
  if (record === undefined) throw keyNotFound(account, provider);
  invariant(record.provider === provider, "a key id never changes its provider");
  return recordAt(record, deps.clock.nowMs());
}
