import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { refuse } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import type { Caller } from "../identity/roles.ts";
import { checkAccountAccess } from "./account-access.ts";
import { checkKeyId, keyIdOf } from "./key-id.ts";
import { checkProvider, type NamedProvider } from "./named-provider.ts";
import { type KeyRecord, type KeyStore, keyName } from "./ports.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/DeleteKey";
const ETAG_MAX_CHARS = 64;

/** What removing a key needs: no sealer among it, since a key can be removed while the KMS is away. */
export interface DeleteKeyDeps {
  readonly keys: Pick<KeyStore, "delete" | "find">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Names the key to remove. */
export interface DeleteKeyInput {
  readonly account: string;
  readonly provider: NamedProvider;
  /** plori's own keys; absent or empty: the provider's slug. */
  readonly keyId?: string;
  /** Empty: whatever it is. */
  readonly etag: string;
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Removes a key; its sealed bytes are gone when this resolves. Returns the record as it was.
 * Throws FIELDS_INVALID, ROLE_NOT_ALLOWED, KEY_NOT_FOUND, ETAG_MISMATCH or REQUEST_ID_CONFLICT.
 */
export async function deleteKey(deps: DeleteKeyDeps, input: DeleteKeyInput, caller: Caller): Promise<KeyRecord> {
  const { account, etag, actor } = input;
  const fields = new FieldChecker();
  fields.id("account", account);
  const provider = checkProvider(fields, input.provider);
  checkKeyId(fields, account, provider, input.keyId ?? "");
  fields.text("etag", etag, 0, ETAG_MAX_CHARS);
  fields.requestId(input.requestId);
  fields.actor(actor);
  fields.done();
  checkAccountAccess(account, caller, "write");
  if (provider === undefined) throw refuse("KEY_NOT_FOUND", "The account has no key for this provider.", { account });
  const keyId = keyIdOf(provider, input.keyId ?? "");
  if (keyId !== provider) {
    // A key id never changes its provider while the key is there, so what is seen here still holds when it is removed.
    const found = await deps.keys.find(account, keyId);
    if (found !== undefined && found.provider !== provider)
      throw refuse("KEY_NOT_FOUND", "The account has no such key for this provider.", { account });
  }
  const request = requestKey(input.requestId, caller, METHOD, account, {
    account: hashField(account),
    provider: hashField(provider),
    ...(keyId === provider ? {} : { key_id: hashField(keyId) }),
    etag: hashField(etag),
    actor: hashField(actor),
  });
  return deps.keys.delete(account, keyId, etag, {
    audit: {
      kind: "key.deleted",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor,
      account,
      subject: keyName(account, keyId),
      details: { provider },
    },
    ...(request === undefined ? {} : { request }),
  });
}
