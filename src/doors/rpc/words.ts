import type { Payer, Provider } from "../../base/provider.ts";
import { Payer as PayerNumber, Provider as ProviderNumber } from "../../gen/plori/type/v1/type_pb.ts";

// Proto enums are numbers that the wire may fill with anything; inside, we have words of our own. Both directions stand here.

const PROVIDER_NUMBERS = {
  openrouter: ProviderNumber.OPENROUTER,
  openai: ProviderNumber.OPENAI,
  deepseek: ProviderNumber.DEEPSEEK,
  groq: ProviderNumber.GROQ,
  xai: ProviderNumber.XAI,
  together: ProviderNumber.TOGETHER,
} as const satisfies Record<Provider, ProviderNumber>;

const PROVIDER_WORDS = new Map<number, Provider>(
  (Object.entries(PROVIDER_NUMBERS) as [Provider, ProviderNumber][]).map(([word, number]) => [number, word]),
);

/** A provider as a request can name it. */
export type ReadProvider = Provider | "anthropic" | "unspecified" | "unknown";

/** The provider that a request names. */
export function readProvider(number: number): ReadProvider {
  if (number === ProviderNumber.UNSPECIFIED) return "unspecified";
  if (number === ProviderNumber.ANTHROPIC) return "anthropic";
  return PROVIDER_WORDS.get(number) ?? "unknown";
}

/** The provider's number; unspecified when there is none. */
export function providerNumber(provider: Provider | undefined): ProviderNumber {
  return provider === undefined ? ProviderNumber.UNSPECIFIED : PROVIDER_NUMBERS[provider];
}

/** The payer's number. */
export function payerNumber(payer: Payer): PayerNumber {
  return payer === "BYOK" ? PayerNumber.BYOK : PayerNumber.HOSTED;
}
