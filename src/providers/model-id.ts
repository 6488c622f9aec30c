import type { ProviderDescriptor } from "./descriptor.ts";

/** Whether the id has the form of the provider's own model ids: a guess, for ids that no catalogue and no list knows. */
export function looksLikeModelOf({ modelIds }: ProviderDescriptor, modelId: string): boolean {
  return modelIds.patterns.some((pattern) => pattern.test(modelId));
}

/**
 * The provider's bare id for a model that another catalogue files under its author: "x-ai/grok-4.3" is xAI's "grok-4.3". Undefined when the
 * author is another, or the rest is no id of the provider's ("openai/gpt-oss-120b" is not served by OpenAI).
 */
export function firstPartyId(descriptor: ProviderDescriptor, modelId: string): string | undefined {
  const author = descriptor.modelIds.firstPartyAuthor;
  if (author === undefined || !modelId.startsWith(`${author}/`)) return undefined;
  const bare = modelId.slice(author.length + 1);
  return looksLikeModelOf(descriptor, bare) ? bare : undefined;
}
