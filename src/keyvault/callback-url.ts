import { isAllowedCallback } from "./callback-origins.ts";

const CALLBACK_MAX_CHARS = 1_536;
/** Query parameters of the callback that are not the caller's to use: ours, and OpenRouter's. */
const RESERVED = ["connect_id", "code"] as const;

/** A callback URL that users may be sent to, or what is wrong with it. */
export type CallbackCheck =
  | { readonly kind: "ok"; readonly url: URL }
  | { readonly kind: "wrong"; readonly problem: string };

/** Checks where OpenRouter is to send the user. The problem never quotes the URL, which may hold a token of the caller's own. */
export function checkCallbackUrl(text: string, origins: readonly string[]): CallbackCheck {
  const wrong = (problem: string): CallbackCheck => ({ kind: "wrong", problem });
  if (text.length > CALLBACK_MAX_CHARS) return wrong(`must be at most ${CALLBACK_MAX_CHARS} characters long`);
  if (!/^[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) {
    return wrong("must be an absolute URL in printable ASCII, without spaces");
  }
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") return wrong("must not hold a user name or a password");
  if (text.includes("#")) return wrong("must not have a fragment: OpenRouter would lose what it appends");
  const taken = RESERVED.find((name) => url.searchParams.has(name));
  if (taken !== undefined) return wrong(`must not have a query parameter ${taken} of its own`);
  if (!isAllowedCallback(url, origins)) return wrong("has an origin that is not among PLORI_CONNECT_CALLBACKS");
  return { kind: "ok", url };
}

/**
 * The callback with the connect's id in its query. OpenRouter relays no `state`, so the id that ties the answer to the beginning has to travel in the
 * callback itself. The caller's own query stays as it was written.
 */
export function withConnectId(url: URL, connectId: string): string {
  const query = url.search === "" || url.search === "?" ? "?" : `${url.search}&`;
  return `${url.origin}${url.pathname}${query}connect_id=${connectId}`;
}
