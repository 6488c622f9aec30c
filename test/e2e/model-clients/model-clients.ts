import type { Provider } from "../../../src/base/provider.ts";
import { GROQ_CLIENT } from "./groq.ts";
import type { ModelClient } from "./model-client.ts";
import { OPENAI_CLIENT } from "./openai.ts";
import { OPENROUTER_CLIENT } from "./openrouter.ts";
import { FETCH_CLIENT } from "./plain-fetch.ts";
import { TOGETHER_CLIENT } from "./together.ts";

/** The client that each provider's users have: its own SDK, or plain `fetch` where it has none of its own for Node. */
export const MODEL_CLIENTS: Readonly<Record<Provider, ModelClient>> = {
  openrouter: OPENROUTER_CLIENT,
  openai: OPENAI_CLIENT,
  deepseek: FETCH_CLIENT,
  groq: GROQ_CLIENT,
  xai: FETCH_CLIENT,
  together: TOGETHER_CLIENT,
};
