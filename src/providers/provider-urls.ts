import { PROVIDERS, type Provider } from "../base/provider.ts";

const JSON_MAX_CHARS = 16_384;

/** The operator's origins by provider, or everything that is wrong with them, as sentences. */
export type ProviderUrls =
  | { readonly kind: "urls"; readonly urls: Readonly<Partial<Record<Provider, string>>> }
  | { readonly kind: "problems"; readonly problems: readonly string[] };

/**
 * Reads PLORI_PROVIDER_URLS: a JSON object from provider to the origin that replaces its scheme, host and port. https anywhere, http on
 * loopback only, since the key travels in a header. A problem names the provider, never the value: it might hold a password.
 */
export function parseProviderUrls(json: string): ProviderUrls {
  const entries = readEntries(json);
  if (entries === undefined) return { kind: "problems", problems: ["must be a JSON object from provider to origin"] };
  const urls: Partial<Record<Provider, string>> = {};
  const problems: string[] = [];
  for (const [name, value] of entries) {
    const provider = PROVIDERS.find((known) => known === name);
    if (provider === undefined) {
      problems.push(
        `${JSON.stringify(name.slice(0, 32))} is not a provider; the providers are ${PROVIDERS.join(", ")}`,
      );
      continue;
    }
    const origin = readOrigin(value);
    if (typeof origin === "string") urls[provider] = origin;
    else problems.push(...origin.map((problem) => `${provider}: ${problem}`));
  }
  return problems.length > 0 ? { kind: "problems", problems } : { kind: "urls", urls };
}

function readEntries(json: string): [string, unknown][] | undefined {
  if (json.length > JSON_MAX_CHARS) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined;
  } catch {
    // What the parser says would quote the value.
    return undefined;
  }
}

/** The origin, or what is wrong with it. The text is looked at too, since the URL parser hides an empty query or an empty user. */
function readOrigin(value: unknown): string | readonly string[] {
  if (typeof value !== "string") return ["must be a string"];
  if (!URL.canParse(value)) return ["must be a URL such as https://proxy.example:8443"];
  const url = new URL(value);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    return ["must begin with https:// (or http:// on loopback)"];
  const problems: string[] = [];
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    problems.push("must begin with https://, since http is allowed on loopback only");
  }
  if (value.includes("@")) problems.push("must not hold a user name or a password");
  if (url.pathname !== "/") problems.push("must not have a path: the provider's own path follows");
  if (value.includes("?")) problems.push("must not have a query");
  if (value.includes("#")) problems.push("must not have a fragment");
  return problems.length > 0 ? problems : url.origin;
}

/** 127.0.0.0/8, ::1 and localhost; the URL parser has brought other spellings of an address to these. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}
