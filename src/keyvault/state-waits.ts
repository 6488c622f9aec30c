import { chance } from "../base/chance.ts";
import { doubledMs, rateLimitMs } from "../providers/provider-waits.ts";
import type { KeyStanding } from "./ports.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Models of one key whose rate limits are remembered; beyond it the one that ends first is forgotten. */
const LIMITED_MODELS_MAX = 32;
/** A limit that moves by less is not worth a write. */
const LIMIT_STEP_MS = 1_000;

/** How far apart probes of a key in trouble are at first, and at most. */
const TROUBLE_FIRST_MS = 5 * MINUTE_MS;
const UNVERIFIED_FIRST_MS = MINUTE_MS;
const UNVERIFIED_MAX_MS = 6 * HOUR_MS;
/** The part of a wait that chance adds, so that keys that were connected together are not probed together. */
const JITTER = 0.2;

/** Every rate limit of a key by the provider's model id; "" stands for all models. */
export function limitsOf({
  state,
  stateUntilMs,
  modelLimits,
}: Pick<KeyStanding, "state" | "stateUntilMs" | "modelLimits">): Readonly<Record<string, number>> {
  if (modelLimits !== undefined) return modelLimits;
  return state === "RATE_LIMITED" && stateUntilMs !== undefined ? { "": stateUntilMs } : {};
}

/**
 * The key's rate limits with one more. Undefined when the model is limited about that long already. `stateUntilMs` is when the last of them ends; it is
 * left out for a key that is in no state of its own because of them.
 */
export function withLimit(
  current: Pick<KeyStanding, "state" | "stateUntilMs" | "modelLimits">,
  model: string,
  nowMs: number,
  retryAfterMs: number | undefined,
): Pick<KeyStanding, "stateUntilMs" | "modelLimits"> | undefined {
  const untilMs = nowMs + rateLimitMs(retryAfterMs);
  const before = limitsOf(current);
  if ((Object.hasOwn(before, model) ? (before[model] ?? 0) : 0) + LIMIT_STEP_MS > untilMs) return undefined;
  const kept = Object.entries(before)
    .filter(([name, endMs]) => name !== model && endMs > nowMs)
    .sort(([, a], [, b]) => b - a)
    .slice(0, LIMITED_MODELS_MAX - 1);
  const limits = [...kept, [model, untilMs] as const];
  const stateUntilMs = Math.max(...limits.map(([, endMs]) => endMs));
  const until = current.state === "UNVERIFIED" ? {} : { stateUntilMs };
  return { ...until, modelLimits: Object.fromEntries(limits) };
}

/** The standing without the rate limits that are over; the same object when there are none. */
export function withoutPast(current: KeyStanding, nowMs: number): KeyStanding {
  const { modelLimits, ...rest } = current;
  if (modelLimits === undefined) return current;
  const kept = Object.entries(modelLimits).filter(([, endMs]) => endMs > nowMs);
  if (kept.length === Object.keys(modelLimits).length) return current;
  return kept.length === 0 ? rest : { ...rest, modelLimits: Object.fromEntries(kept) };
}

/**
 * When a key should be probed again, in milliseconds since the epoch. Keys that serve: about daily. Keys in trouble: soon, then ever more rarely, so that
 * one that was mended works again by itself. `random` gives 0 to 1.
 */
export function nextProbeMs(
  { state, stateUntilMs, strikes = 0 }: Pick<KeyStanding, "state" | "stateUntilMs" | "strikes">,
  nowMs: number,
  random: () => number = chance,
): number {
  const jittered = (waitMs: number): number => nowMs + Math.round(waitMs * (1 + JITTER * random()));
  switch (state) {
    case "ACTIVE":
    case "RATE_LIMITED":
      return jittered(DAY_MS);
    case "UNVERIFIED":
      return jittered(doubledMs(UNVERIFIED_FIRST_MS, strikes, UNVERIFIED_MAX_MS));
    case "EXHAUSTED":
      return jittered(stateUntilMs !== undefined && stateUntilMs > nowMs ? stateUntilMs - nowMs : HOUR_MS);
    case "BLOCKED":
    case "DEAD":
    case "UNREADABLE":
      return jittered(doubledMs(TROUBLE_FIRST_MS, strikes, DAY_MS));
  }
}
