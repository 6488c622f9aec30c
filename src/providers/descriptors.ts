import type { Provider } from "../base/provider.ts";
import type { ProviderDescriptor } from "./descriptor.ts";
import { DEEPSEEK } from "./descriptors/deepseek.ts";
import { GROQ } from "./descriptors/groq.ts";
import { OPENAI } from "./descriptors/openai.ts";
import { OPENROUTER } from "./descriptors/openrouter.ts";
import { TOGETHER } from "./descriptors/together.ts";
import { XAI } from "./descriptors/xai.ts";

/** The six providers, in the order in which users see them (`PROVIDERS`). */
export const PROVIDER_DESCRIPTORS: Readonly<Record<Provider, ProviderDescriptor>> = {
  openrouter: OPENROUTER,
  openai: OPENAI,
  deepseek: DEEPSEEK,
  groq: GROQ,
  xai: XAI,
  together: TOGETHER,
};

/** Everything that is known about the provider. */
export function describeProvider(slug: Provider): ProviderDescriptor {
  return PROVIDER_DESCRIPTORS[slug];
}
