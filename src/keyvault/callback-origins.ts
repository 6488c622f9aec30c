import { isLoopback } from "../providers/provider-urls.ts";

const ENTRIES_MAX = 64;
const ANY_PORT = ":*";

/** The development profile's: any port of the developer's own machine. */
export const DEVELOPMENT_CALLBACKS = "http://localhost:*,http://127.0.0.1:*";

/** Allowed callback origins, or everything that is wrong with them, as sentences. */
export type CallbackOrigins =
  | { readonly kind: "origins"; readonly origins: readonly string[] }
  | { readonly kind: "problems"; readonly problems: readonly string[] };

/**
 * Reads PLORI_CONNECT_CALLBACKS: origins separated by commas, https anywhere, http on loopback only, since a code comes back there. The port of a loopback
 * host may be `*`. Nothing given allows nothing.
 */
export function parseCallbackOrigins(text: string): CallbackOrigins {
  const entries = text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  if (entries.length > ENTRIES_MAX) return { kind: "problems", problems: [`must name at most ${ENTRIES_MAX} origins`] };
  const read = entries.map((entry, index) => readEntry(entry, index + 1));
  const problems = read.flatMap((entry) => ("problem" in entry ? [entry.problem] : []));
  if (problems.length > 0) return { kind: "problems", problems };
  return { kind: "origins", origins: read.flatMap((entry) => ("origin" in entry ? [entry.origin] : [])) };
}

/** Whether users may be sent back to `url`. Origins are compared whole: scheme, host and port. */
export function isAllowedCallback(url: URL, origins: readonly string[]): boolean {
  return origins.includes(url.origin) || origins.includes(`${url.protocol}//${url.hostname}${ANY_PORT}`);
}

/** Problems name an entry by its number, since a mistaken one might hold a password. */
function readEntry(entry: string, number: number): { readonly origin: string } | { readonly problem: string } {
  const anyPort = entry.endsWith(ANY_PORT);
  const text = anyPort ? entry.slice(0, -ANY_PORT.length) : entry;
  const problem = (what: string) => ({ problem: `entry ${number} ${what}` });
  if (!URL.canParse(text)) return problem("must be an origin such as https://app.example");
  const url = new URL(text);
  const loopback = isLoopback(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) {
    return problem("must begin with https:// (or http:// on loopback)");
  }
  // The text is looked at too, since the URL parser hides an empty query, an empty user or a default port.
  if (url.pathname !== "/" || /[@?#*\\\s]/.test(text))
    return problem("must be an origin alone: no user, path, query or fragment");
  if (!anyPort) return { origin: url.origin };
  if (!loopback || url.port !== "" || /:\d+\/?$/.test(text))
    return problem("may leave the port open on a loopback host only");
  return { origin: `${url.protocol}//${url.hostname}${ANY_PORT}` };
}
