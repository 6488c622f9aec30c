import type { Provider } from "../../src/base/provider.ts";
import type { ProviderSpec } from "./provider-spec.ts";
import { DEEPSEEK_SPEC } from "./providers/deepseek.ts";
import { GROQ_SPEC } from "./providers/groq.ts";
import { OPENAI_SPEC } from "./providers/openai.ts";
import { OPENROUTER_SPEC } from "./providers/openrouter.ts";
import { TOGETHER_SPEC } from "./providers/together.ts";
import { XAI_SPEC } from "./providers/xai.ts";
import { type ProviderSimulator, startSimulator } from "./simulator.ts";

const SPECS: Readonly<Record<Provider, ProviderSpec>> = {
  openrouter: OPENROUTER_SPEC,
  openai: OPENAI_SPEC,
  deepseek: DEEPSEEK_SPEC,
  groq: GROQ_SPEC,
  xai: XAI_SPEC,
  together: TOGETHER_SPEC,
};

/** All six, each by its slug. */
export interface ProviderSimulators extends Readonly<Record<Provider, ProviderSimulator>>, AsyncDisposable {
  readonly urls: Readonly<Record<Provider, string>>;
  /** The value of PLORI_PROVIDER_URLS. */
  readonly providerUrlsJson: string;
  close(): Promise<void>;
}

/** Starts all six on 127.0.0.1. `ports`: fixed ones for some of them; the others take free ones. */
export async function startProviderSimulators(
  options: { readonly ports?: Readonly<Partial<Record<Provider, number>>> } = {},
): Promise<ProviderSimulators> {
  const started: ProviderSimulator[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(started.map((simulator) => simulator.close()));
  };
  const start = async (provider: Provider): Promise<ProviderSimulator> => {
    const simulator = await startSimulator(SPECS[provider], options.ports?.[provider]);
    started.push(simulator);
    return simulator;
  };
  try {
    const all: Record<Provider, ProviderSimulator> = {
      openrouter: await start("openrouter"),
      openai: await start("openai"),
      deepseek: await start("deepseek"),
      groq: await start("groq"),
      xai: await start("xai"),
      together: await start("together"),
    };
    const urls = {
      openrouter: all.openrouter.origin,
      openai: all.openai.origin,
      deepseek: all.deepseek.origin,
      groq: all.groq.origin,
      xai: all.xai.origin,
      together: all.together.origin,
    };
    return { ...all, urls, providerUrlsJson: JSON.stringify(urls), close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
