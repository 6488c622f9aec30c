import { PloriError, type Refusal } from "../base/errors.ts";
import type { Provider } from "../base/provider.ts";
import { describeProvider } from "../providers/descriptors.ts";
import type { Catalogue } from "./catalogue.ts";
import type { RouteRefusal } from "./decision.ts";
import { PROVIDER_ORDER } from "./provider-order.ts";
import { suggestModels } from "./suggest.ts";

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 3_600_000;

/** The error for a refused route: what happened, what to do, and when a retry may help. `name` is the model as the caller wrote it. */
export function routeRefusalError(
  refusal: RouteRefusal,
  name: string,
  catalogue: Catalogue,
  nowMs: number,
): PloriError {
  const { reason, provider, retryAtMs } = refusal;
  const suggestions = reason === "MODEL_UNKNOWN" && refusal.model === undefined ? suggestModels(name, catalogue) : [];
  const metadata: Record<string, string> = { model: name };
  if (provider !== undefined) metadata["provider"] = provider;
  if (suggestions.length > 0) metadata["suggestions"] = suggestions.join(",");
  const error: Refusal = { reason, message: explain(refusal, name, suggestions), metadata };
  if (retryAtMs === undefined) return new PloriError(error);
  return new PloriError({ ...error, retryAfterMs: Math.min(Math.max(retryAtMs - nowMs, RETRY_MIN_MS), RETRY_MAX_MS) });
}

function explain(refusal: RouteRefusal, name: string, suggestions: readonly string[]): string {
  const whose = refusal.provider === undefined ? "provider" : describeProvider(refusal.provider).displayName;
  switch (refusal.reason) {
    case "MODEL_UNKNOWN":
      return explainUnserved(refusal, name, suggestions);
    case "PIN_WITHOUT_KEY":
      return `The call allows ${whose} only, but the account has no ${whose} key. Connect one, or name the model without the provider.`;
    case "PROVIDER_UNREACHABLE":
      return `plori cannot serve "${name}" for credits just now. Try again later, or connect ${keyFor(refusal)}.`;
    case "KEY_DEAD":
      return `The account's ${whose} key is dead there: revoked or mistyped. Connect another one, or remove it.`;
    case "KEY_EXHAUSTED":
      return `The account's ${whose} key has no credit left there. Add credit at ${whose}, or remove the key.`;
    case "KEY_BLOCKED":
      return `The account's ${whose} key is disabled or restricted there. Mend that at ${whose}, or connect another key.`;
    case "KEY_UNREADABLE":
      return `The account's ${whose} key is stored but cannot be opened by us; nobody was billed. Connect the key again.`;
    case "KEY_RATE_LIMITED":
      return `The account's ${whose} key is rate limited there. Try again later.`;
  }
}

function explainUnserved(refusal: RouteRefusal, name: string, suggestions: readonly string[]): string {
  if (refusal.provider !== undefined) {
    return `${describeProvider(refusal.provider).displayName} does not serve the model "${name}". Name the model without the provider, or another one.`;
  }
  if (refusal.model !== undefined) {
    return `No key of the account serves "${name}", and it is not available for credits. Connect ${keyFor(refusal)}.`;
  }
  const meant = suggestions.length === 0 ? "" : ` Did you mean ${suggestions.join(" or ")}?`;
  return `No provider that the account can use knows the model "${name}".${meant} An OpenRouter key takes any model id.`;
}

/** "an OpenAI key or an OpenRouter key": what would serve the model. */
function keyFor({ model }: RouteRefusal): string {
  const serving = PROVIDER_ORDER.filter((provider: Provider) => model?.ids[provider] !== undefined);
  return serving.map((provider) => describeProvider(provider).key.noun).join(" or ");
}
