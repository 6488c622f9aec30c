import type { Provider } from "../base/provider.ts";

/** The order in which keys are considered: a model's maker, then the fast hosts, then the key that covers everything else. */
export const PROVIDER_ORDER: readonly Provider[] = ["openai", "deepseek", "xai", "groq", "together", "openrouter"];
