import type { Provider } from "../base/provider.ts";

/** The order in which keys are considered: a model's maker, then the fast hosts, then the key that covers everything else. */
export const PROVIDER_ORDER: readonly Provider[] = ["openai", "deepseek", "xai", "groq", "together", "openrouter"];

/** Every provider: those that an account named, in its order, then the others in the default order. */
export function completeOrder(named: readonly Provider[]): readonly Provider[] {
  return [...named, ...PROVIDER_ORDER.filter((provider) => !named.includes(provider))];
}
