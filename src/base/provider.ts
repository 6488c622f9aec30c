/** The providers whose keys a user may bring, by their slug. Order: as shown to users. */
export const PROVIDERS = ["openrouter", "openai", "deepseek", "groq", "xai", "together"] as const;

/** A provider's slug. */
export type Provider = (typeof PROVIDERS)[number];

/** Who pays the provider for a model call. */
export type Payer = "BYOK" | "HOSTED";

/** The reserved account that holds plori's own provider keys. */
export const PLATFORM_ACCOUNT = "platform";
