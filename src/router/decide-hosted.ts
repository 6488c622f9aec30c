import type { Provider } from "../base/provider.ts";
import type { CatalogueModel } from "./catalogue/catalogue-model.ts";
import type { DecideInput } from "./decide.ts";
import type { Candidate, Decision, Held, KeyStanding, KeyTrouble, RouteDecision } from "./decision.ts";
import { keyTrouble } from "./key-trouble.ts";
import { PROVIDER_ORDER } from "./provider-order.ts";

/** What the hosted part of a decision looks at. */
type HostedInput<K extends KeyStanding> = Pick<
  DecideInput<K>,
  "platformKeys" | "host" | "nowMs" | "everyCandidate" | "heldBack"
>;

/**
 * Who serves a model for hosted credits: the first of plori's own keys that serves it and can, for the calling host. Only models that the catalogue sells are hosted.
 * Adds to `candidates`. When plori has keys for the model but none that works now, the refusal is ours and passing: PROVIDER_UNREACHABLE.
 */
export function decideHosted<K extends KeyStanding>(
  input: HostedInput<K>,
  model: CatalogueModel | undefined,
  candidates: Candidate[],
): Decision<K> {
  const { platformKeys, everyCandidate } = input;
  if (model?.hosting === undefined) {
    candidates.push({ payer: "HOSTED", key: "", upstreamModel: "", verdict: "SKIPPED", reason: "NOT_HOSTED" });
    return { kind: "refused", reason: "MODEL_UNKNOWN", candidates, ...(model === undefined ? {} : { model }) };
  }
  if (platformKeys === undefined) return { kind: "needs-platform-keys" };
  let chosen: RouteDecision<K> | undefined;
  let troubled: KeyTrouble | undefined;
  let retryAtMs: number | undefined;
  for (const provider of PROVIDER_ORDER) {
    const upstreamModel = model.ids[provider];
    if (upstreamModel === undefined) continue;
    const candidate = { provider, payer: "HOSTED", key: "", upstreamModel } as const;
    const { key, held } = chooseKey(input, platformKeys, provider, upstreamModel);
    if (key === undefined) {
      candidates.push({ ...candidate, verdict: "SKIPPED", reason: held?.trouble ?? "NO_PLATFORM_KEY" });
      if (held === undefined) continue;
      troubled ??= held.trouble;
      if (held.untilMs !== undefined) retryAtMs = Math.min(held.untilMs, retryAtMs ?? held.untilMs);
    } else if (chosen !== undefined) {
      candidates.push({ ...candidate, verdict: "NOT_NEEDED", reason: "HOSTED" });
    } else {
      candidates.push({ ...candidate, verdict: "CHOSEN", reason: "HOSTED" });
      chosen = { kind: "route", ...candidate, key, reason: "HOSTED", model, candidates };
      if (!everyCandidate) break;
    }
  }
  if (chosen !== undefined) return chosen;
  const reason = troubled === undefined ? "MODEL_UNKNOWN" : "PROVIDER_UNREACHABLE";
  return { kind: "refused", reason, model, candidates, ...(retryAtMs === undefined ? {} : { retryAtMs }) };
}

/**
 * The key of the provider's that the calling host gets: one that is bound to it before one that is bound to none; never one that is bound to others, so
 * that a stolen host burns its own keys alone. Without a usable one: what holds the first one back, if there is one.
 */
function chooseKey<K extends KeyStanding>(
  { host, nowMs, heldBack }: HostedInput<K>,
  platformKeys: readonly K[],
  provider: Provider,
  upstreamModel: string,
): { readonly key?: K; readonly held?: Held } {
  let unbound: K | undefined;
  let held: Held | undefined;
  for (const key of platformKeys) {
    if (key.provider !== provider) continue;
    const bound = key.hosts !== undefined;
    if (key.hosts !== undefined && host !== undefined && !key.hosts.includes(host)) continue;
    if (!bound && unbound !== undefined) continue;
    const trouble = keyTrouble(key, upstreamModel, nowMs, heldBack);
    if (trouble !== undefined) held ??= trouble;
    else if (bound) return { key };
    else unbound = key;
  }
  return { ...(unbound === undefined ? {} : { key: unbound }), ...(held === undefined ? {} : { held }) };
}
