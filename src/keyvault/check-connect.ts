import { invariant, refuse } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import type { Provider } from "../base/provider.ts";
import type { Caller } from "../identity/roles.ts";
import { checkAccountAccess } from "./account-access.ts";
import { checkHosts, checkKeyId, keyIdOf } from "./key-id.ts";
import { checkProvider, type NamedProvider } from "./named-provider.ts";

const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/** A pasted key and what it is for. */
export interface ConnectKeyInput {
  readonly account: string;
  readonly provider: NamedProvider;
  /** As pasted. A string because that is how it arrives; it is turned into a `Secret` at once. */
  readonly secret: string;
  /** Store the key although the provider cannot be asked now. It never replaces a key that serves. */
  readonly allowUnverified: boolean;
  /** plori's own keys: which of several for the provider; absent or empty: the provider's slug. */
  readonly keyId?: string;
  /** plori's own keys: the hosts that alone may get it. Absent or empty: as the key that it replaces, or any. */
  readonly hosts?: readonly string[];
  readonly requestId: string;
  readonly actor: string;
}

/** The input's fields, found to be in order. */
export interface CheckedConnect {
  readonly account: string;
  readonly provider: Provider;
  readonly keyId: string;
  readonly hosts: readonly string[];
  readonly allowUnverified: boolean;
}

/** Checks everything that can be checked without the provider. Throws FIELDS_INVALID (all of them), ROLE_NOT_ALLOWED, ANTHROPIC_NOT_SUPPORTED. */
export function checkConnect(input: ConnectKeyInput, caller: Caller): CheckedConnect {
  const { account, allowUnverified, hosts = [] } = input;
  const fields = new FieldChecker();
  fields.id("account", account);
  const provider = checkProvider(fields, input.provider);
  checkKeyId(fields, account, provider, input.keyId ?? "");
  checkHosts(fields, account, hosts);
  fields.check(
    isKeyText(input.secret),
    "secret",
    `must be 1-${LIMITS.secretMaxChars} printable ASCII characters, white space around them ignored`,
  );
  fields.requestId(input.requestId);
  fields.actor(input.actor);
  fields.done();
  checkAccountAccess(account, caller, "write");
  if (input.provider === "anthropic") {
    throw refuse(
      "ANTHROPIC_NOT_SUPPORTED",
      "Native Anthropic keys are not supported. Connect an OpenRouter key: it serves Claude models too.",
      { use_provider: "openrouter" },
    );
  }
  invariant(provider !== undefined, "a checked provider is there");
  return { account, provider, keyId: keyIdOf(provider, input.keyId ?? ""), hosts, allowUnverified };
}

function isKeyText(pasted: string): boolean {
  // The length is looked at first: neither trimming nor the pattern runs over a megabyte.
  if (pasted.length > 4 * LIMITS.secretMaxChars) return false;
  const text = pasted.trim();
  return text.length > 0 && text.length <= LIMITS.secretMaxChars && PRINTABLE_ASCII.test(text);
}
