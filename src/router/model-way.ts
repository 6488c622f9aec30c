import type { Payer, Provider } from "../base/provider.ts";
import type { Candidate, Decision, KeyStanding, KeyTrouble } from "./decision.ts";
import type { RoutableKey } from "./ports.ts";

/** Who would serve a model that a person picks, and who would pay: what a decision comes to for a list. */
export interface ModelWay {
  readonly payer: Payer;
  readonly provider: Provider;
  readonly upstreamModel: string;
  /** How the key is that would serve the model and cannot now. Absent: nothing is in the way. */
  readonly keyState?: RoutableKey["state"];
}

const STATE_OF: Readonly<Record<KeyTrouble, RoutableKey["state"]>> = {
  KEY_DEAD: "DEAD",
  KEY_EXHAUSTED: "EXHAUSTED",
  KEY_BLOCKED: "BLOCKED",
  KEY_UNREADABLE: "UNREADABLE",
  KEY_RATE_LIMITED: "RATE_LIMITED",
};

/**
 * What a decision means for a list of models. A model whose key is in trouble stays in the list, with what is in its way; undefined when nothing would ever
 * serve it. The decision must have been made with every candidate.
 */
export function wayOf(decision: Decision<KeyStanding>): ModelWay | undefined {
  if (decision.kind === "needs-platform-keys") return undefined;
  const { candidates } = decision;
  if (decision.kind === "route") {
    const { payer, provider, upstreamModel } = decision;
    return { payer, provider, upstreamModel };
  }
  const held = troubled(candidates, decision.reason === "PROVIDER_UNREACHABLE" ? "HOSTED" : "BYOK");
  if (held?.provider === undefined) return undefined;
  if (decision.reason !== "PROVIDER_UNREACHABLE" && decision.reason !== held.reason) return undefined;
  return { payer: held.payer, provider: held.provider, upstreamModel: held.upstreamModel, ...stateOf(held) };
}

/** The first way with this payer that a key's trouble is in. */
function troubled(candidates: readonly Candidate[], payer: Payer): Candidate | undefined {
  return candidates.find((candidate) => candidate.payer === payer && isTrouble(candidate.reason));
}

function stateOf(candidate: Candidate | undefined): Pick<ModelWay, "keyState"> {
  return candidate !== undefined && isTrouble(candidate.reason) ? { keyState: STATE_OF[candidate.reason] } : {};
}

function isTrouble(reason: string): reason is KeyTrouble {
  return Object.hasOwn(STATE_OF, reason);
}
