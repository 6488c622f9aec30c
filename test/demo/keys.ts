import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Provider } from "../../src/base/provider.ts";
import type { Key } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import type { ConnectKeyRequestSchema } from "../../src/gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { Provider as ProviderNumber } from "../../src/gen/plori/type/v1/type_pb.ts";
import { expectSame, present } from "./expectation.ts";
import { REPORTED_TOKENS } from "./price-list.ts";
import { ACCOUNT, type Stage } from "./stage.ts";

/** The providers as the API numbers them, and as people call them. */
export const PROVIDER_NUMBERS = {
  openrouter: ProviderNumber.OPENROUTER,
  openai: ProviderNumber.OPENAI,
  deepseek: ProviderNumber.DEEPSEEK,
  groq: ProviderNumber.GROQ,
  xai: ProviderNumber.XAI,
  together: ProviderNumber.TOGETHER,
} as const satisfies Record<Provider, ProviderNumber>;

/** A provider's name for people; "none" for a number that is no provider's. */
export function providerText(number: ProviderNumber): string {
  const names: Readonly<Record<number, string>> = {
    1: "OpenRouter",
    2: "OpenAI",
    3: "DeepSeek",
    4: "Groq",
    5: "xAI",
    6: "Together AI",
  };
  return names[number] ?? "none";
}

/** Makes a key in the provider's console. Every call on it reports the same tokens. */
export function makeKey({ simulators }: Stage, provider: Provider): string {
  const text = simulators[provider].mintKey();
  simulators[provider].scriptUsage(text, REPORTED_TOKENS);
  return text;
}

/** Types a key in, as `caller`; what was typed is remembered for the search. Rejects as the service refuses. */
export async function pasteKey(
  stage: Stage,
  caller: "settings" | "admin",
  request: MessageInitShape<typeof ConnectKeyRequestSchema> & { readonly account: string; readonly secret: string },
): Promise<Key> {
  stage.typedKeys.add(request.secret);
  const { key } = await stage.as(caller).keyVault.connectKey(request);
  return present(key, "the connected key");
}

/** Makes a key, types it in for the user and expects that it serves. */
export async function connectOwnKey(stage: Stage, provider: Provider): Promise<Key> {
  const secret = makeKey(stage, provider);
  const key = await pasteKey(stage, "settings", { account: ACCOUNT, provider: PROVIDER_NUMBERS[provider], secret });
  expectSame("the state of a good key", key.state, KeyState.ACTIVE);
  stage.ownKeys.set(provider, secret);
  return key;
}

/** The user's keys, as the settings page asks for them. */
export async function listKeys(stage: Stage, account = ACCOUNT): Promise<readonly Key[]> {
  return (await stage.as("settings").keyVault.listKeys({ account })).keys;
}
