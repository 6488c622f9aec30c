import type { Provider } from "../base/provider.ts";
import { describeProvider } from "../providers/descriptors.ts";
import { firstPartyId, looksLikeModelOf } from "../providers/model-id.ts";

/** OpenRouter's own words at the end of an id (openrouter.ai/docs/faq, "model variants"). No other provider knows them. */
const OPENROUTER_VARIANT = /:(?:free|extended|thinking|nitro|floor|exacto|online)$/;
/** OpenRouter's aliases, presets and routers (openrouter.ai/docs/guides). */
const OPENROUTER_FORM = /^~|^openrouter\/|@preset\//;

/**
 * The id under which the provider would know a model that no list knows, guessed from its name; undefined when the name does not look like one
 * of the provider's. The author's prefix of a first party is dropped ("x-ai/grok-9" is xAI's "grok-9"); nothing else is ever changed: a name
 * with one of OpenRouter's variants is OpenRouter's alone, since a variant that was dropped would be another model at another price.
 * OpenRouter takes every name as it is.
 */
export function guessUpstreamId(provider: Provider, name: string): string | undefined {
  if (provider === "openrouter") return name;
  if (OPENROUTER_VARIANT.test(name) || OPENROUTER_FORM.test(name)) return undefined;
  const descriptor = describeProvider(provider);
  return firstPartyId(descriptor, name) ?? (looksLikeModelOf(descriptor, name) ? name : undefined);
}
