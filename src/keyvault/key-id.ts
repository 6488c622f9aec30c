import type { FieldChecker } from "../base/fields.ts";
import { PLATFORM_ACCOUNT, PROVIDERS, type Provider } from "../base/provider.ts";

/** The most hosts that one of plori's own keys may be bound to. */
const HOSTS_MAX = 500;

/** Notes what is wrong with a request's key id: only plori's own keys have one, and it must not be another provider's name. */
export function checkKeyId(fields: FieldChecker, account: string, provider: Provider | undefined, keyId: string): void {
  if (keyId === "") return;
  fields.check(
    account === PLATFORM_ACCOUNT,
    "key_id",
    `must be empty: only the account "${PLATFORM_ACCOUNT}" has several keys for one provider`,
  );
  fields.id("key_id", keyId);
  const named = PROVIDERS.find((slug) => slug === keyId);
  fields.check(named === undefined || named === provider, "key_id", "must not be the name of another provider");
}

/** Notes what is wrong with the hosts that a key is to be bound to. */
export function checkHosts(fields: FieldChecker, account: string, hosts: readonly string[]): void {
  if (hosts.length === 0) return;
  fields.check(
    account === PLATFORM_ACCOUNT,
    "hosts",
    `must be empty: only keys of the account "${PLATFORM_ACCOUNT}" are bound to hosts`,
  );
  fields.check(hosts.length <= HOSTS_MAX, "hosts", `must hold at most ${HOSTS_MAX} hosts`);
  const seen = new Set<string>();
  for (const [index, host] of hosts.slice(0, HOSTS_MAX).entries()) {
    fields.id(`hosts[${index}]`, host);
    fields.check(!seen.has(host), `hosts[${index}]`, "stands in the request twice");
    seen.add(host);
  }
}

/** The id of the key that a request means. */
export function keyIdOf(provider: Provider, keyId: string): string {
  return keyId === "" ? provider : keyId;
}
