import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { CATALOGUE } from "../../src/router/catalogue.ts";
import { type DecideInput, decide } from "../../src/router/decide.ts";
import type { Decision, KeyStanding } from "../../src/router/decision.ts";
import { parseModelName } from "../../src/router/model-name.ts";

export const NOW_MS = 1_790_000_000_000;

/** A key of the account. */
export function keyOf(provider: Provider, changes: Partial<KeyStanding> = {}): KeyStanding {
  return { account: "acct-1", keyId: provider, provider, state: "ACTIVE", ...changes };
}

/** One of plori's own keys. */
export function platformKeyOf(provider: Provider, changes: Partial<KeyStanding> = {}): KeyStanding {
  return keyOf(provider, { account: "platform", ...changes });
}

/** plori's own keys, one for every provider. */
export const EVERY_PLATFORM_KEY: readonly KeyStanding[] = PROVIDERS.map((provider) => platformKeyOf(provider));

/** Decides on a model by its name; without platform keys unless some are given. */
export function decideOn(
  name: string,
  keys: readonly KeyStanding[],
  changes: Partial<DecideInput<KeyStanding>> = {},
): Decision<KeyStanding> {
  return decide({
    model: parseModelName(name),
    pin: undefined,
    keys,
    platformKeys: [],
    policy: { onKeyFailure: "STOP" },
    catalogue: CATALOGUE,
    nowMs: NOW_MS,
    everyCandidate: true,
    ...changes,
  });
}

/** The decision in a few words: "BYOK groq openai/gpt-oss-20b", or "refused KEY_DEAD". */
export function inWords(decision: Decision<KeyStanding>): string {
  if (decision.kind === "route") return `${decision.payer} ${decision.provider} ${decision.upstreamModel}`;
  return decision.kind === "refused" ? `refused ${decision.reason}` : decision.kind;
}
