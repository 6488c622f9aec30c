import { PROVIDERS, type Provider } from "../base/provider.ts";
import { describeProvider } from "../providers/descriptors.ts";

/** A provider that keys can be connected for, as users see it. */
export interface ProviderSummary {
  readonly provider: Provider;
  readonly displayName: string;
  /** What a key of it covers, in a few words. */
  readonly covers: string;
  /** The page on which its users make keys. */
  readonly keyPageUrl: string;
  /** Whether it can be connected by one click instead of pasting a key. */
  readonly oneClick: boolean;
}

/** The providers that keys can be connected for, in the order in which they should be shown. */
export function listProviders(): readonly ProviderSummary[] {
  return PROVIDERS.map((provider) => {
    const { displayName, covers, keyPageUrl, oneClick } = describeProvider(provider);
    return { provider, displayName, covers, keyPageUrl, oneClick };
  });
}
