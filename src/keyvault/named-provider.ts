import type { FieldChecker } from "../base/fields.ts";
import type { Provider } from "../base/provider.ts";

/** A provider as a request names it: undefined when it names none. Anthropic can be named, so that it can be refused with advice. */
export type NamedProvider = Provider | "anthropic" | undefined;

/** Notes a missing provider. Returns the provider when keys of it can exist here. */
export function checkProvider(fields: FieldChecker, named: NamedProvider): Provider | undefined {
  fields.check(named !== undefined, "provider", "must name a provider; ListProviders tells which");
  return named === "anthropic" ? undefined : named;
}
