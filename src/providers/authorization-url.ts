import { OPENROUTER } from "./descriptors/openrouter.ts";

/** The label of keys that are made by one click, for their owner's eyes. */
const KEY_LABEL = "plori";

/**
 * OpenRouter's page on which a user approves a key (`guides/overview/auth/oauth.mdx`). There is no `state`: it relays none, so whatever has to come
 * back stands in `callbackUrl`. `codeChallenge` is the base64url of the verifier's SHA-256; `overrideOrigin` replaces OpenRouter's own origin.
 */
export function authorizationUrl(callbackUrl: string, codeChallenge: string, overrideOrigin?: string): string {
  const url = new URL("/auth", overrideOrigin ?? OPENROUTER.baseUrl);
  url.searchParams.set("callback_url", callbackUrl);
  url.searchParams.set("code_challenge", codeChallenge);
  url.searchParams.set("code_challenge_method", "S256");
  url.searchParams.set("key_label", KEY_LABEL);
  return url.href;
}
