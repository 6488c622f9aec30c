import { ownBytes } from "../base/own-bytes.ts";
import type { Secret } from "../base/secret.ts";
import type { ProviderDescriptor } from "./descriptor.ts";

/** The headers of a question of ours to a provider; without a secret: of one that anybody may ask. */
export function questionHeaders({ auth, headers }: ProviderDescriptor, secret?: Secret): Record<string, string> {
  return {
    ...headers,
    accept: "application/json",
    "user-agent": "plori-byok",
    ...(secret === undefined ? {} : { [auth.header]: credentialValue(auth.prefix, secret) }),
  };
}

/** Whether a secret can stand in a header: visible ASCII only. fetch would refuse anything else with an error that quotes it, or send it changed. */
export function isSendable(secret: Secret): boolean {
  const bytes = secret.reveal();
  return bytes.length > 0 && bytes.every((byte) => byte > 0x20 && byte < 0x7f);
}

/** The one place where a provider key becomes a string on its way out: HTTP header values are strings, and strings cannot be wiped. */
function credentialValue(prefix: string, secret: Secret): string {
  // Put together as bytes, so that there is one string with the key in it and not two.
  const bytes = ownBytes(prefix.length + secret.byteLength);
  bytes.write(prefix, "latin1");
  bytes.set(secret.reveal(), prefix.length);
  const value = bytes.toString("latin1");
  bytes.fill(0);
  return value;
}
