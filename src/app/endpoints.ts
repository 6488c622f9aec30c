import type { Config } from "../config.ts";
import { baseUrlOf } from "../providers/base-url.ts";
import { describeProvider } from "../providers/descriptors.ts";
import type { EndpointOf } from "../router/ports.ts";

/** Where each provider is called; made once, since every route asks. */
export function createEndpoints(urls: Config["providerUrls"]): EndpointOf {
  const made = new Map<string, ReturnType<EndpointOf>>();
  return (provider) => {
    let endpoint = made.get(provider);
    if (endpoint === undefined) {
      const descriptor = describeProvider(provider);
      endpoint = {
        baseUrl: baseUrlOf(descriptor, urls[provider]),
        credentialHeader: descriptor.auth.header,
        credentialPrefix: descriptor.auth.prefix,
        headers: descriptor.headers,
      };
      made.set(provider, endpoint);
    }
    return endpoint;
  };
}
