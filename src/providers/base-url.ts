import type { ProviderDescriptor } from "./descriptor.ts";

/**
 * The provider's base URL without a trailing slash; `/chat/completions` and the other paths are appended to it. `overrideOrigin` (from
 * `parseProviderUrls`) replaces scheme, host and port; the provider's own path follows.
 */
export function baseUrlOf(descriptor: Pick<ProviderDescriptor, "baseUrl">, overrideOrigin?: string): string {
  const own = new URL(descriptor.baseUrl);
  const origin = overrideOrigin === undefined ? own.origin : new URL(overrideOrigin).origin;
  return `${origin}${own.pathname === "/" ? "" : own.pathname}`;
}
