import type { CatalogueModel } from "./catalogue/catalogue-model.ts";
import type { Candidate, Decision, KeyStanding, KeyTrouble, RouteDecision } from "./decision.ts";
import { keyTrouble } from "./key-trouble.ts";
import { PROVIDER_ORDER } from "./provider-order.ts";

/**
 * Who serves a model for hosted credits: the first of plori's own keys that serves it and can. Only models that the catalogue sells are hosted.
 * Adds to `candidates`. When plori has keys for the model but none that works now, the refusal is ours and passing: PROVIDER_UNREACHABLE.
 */
export function decideHosted<K extends KeyStanding>(
  model: CatalogueModel | undefined,
  platformKeys: readonly K[] | undefined,
  nowMs: number,
  everyCandidate: boolean,
  candidates: Candidate[],
): Decision<K> {
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
    const key = platformKeys.find((held) => held.provider === provider);
    const trouble = key === undefined ? undefined : keyTrouble(key, nowMs);
    if (key === undefined) {
      candidates.push({ ...candidate, verdict: "SKIPPED", reason: "NO_PLATFORM_KEY" });
    } else if (trouble !== undefined) {
      candidates.push({ ...candidate, verdict: "SKIPPED", reason: trouble });
      troubled ??= trouble;
      if (key.stateUntilMs !== undefined) retryAtMs = Math.min(key.stateUntilMs, retryAtMs ?? key.stateUntilMs);
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
