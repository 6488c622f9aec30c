import type { Held, HeldBack, KeyStanding } from "./decision.ts";

/**
 * Why the key cannot serve the model at `nowMs`; undefined when it can. An unverified key is tried all the same. A rate limit that names models holds for
 * these alone. An empty account whose wait is over gets a trial call: `heldBack` tells whether one is under way. Only a probe clears the other states.
 */
export function keyTrouble<K extends KeyStanding>(
  key: K,
  upstreamModel: string,
  nowMs: number,
  heldBack?: HeldBack<K>,
): Held | undefined {
  return standingTrouble(key, upstreamModel, nowMs) ?? heldBack?.(key, upstreamModel);
}

/** Whether a call with this key now is a trial: its account was empty, and the wait is over. */
export function isTrial({ state, stateUntilMs }: Pick<KeyStanding, "state" | "stateUntilMs">, nowMs: number): boolean {
  return state === "EXHAUSTED" && stateUntilMs !== undefined && stateUntilMs <= nowMs;
}

function standingTrouble(key: KeyStanding, upstreamModel: string, nowMs: number): Held | undefined {
  switch (key.state) {
    case "ACTIVE":
      return undefined;
    case "UNVERIFIED":
      return key.modelLimits === undefined ? undefined : rateLimit(key.modelLimits, upstreamModel, nowMs);
    case "RATE_LIMITED":
      if (key.modelLimits !== undefined) return rateLimit(key.modelLimits, upstreamModel, nowMs);
      return heldUntil("KEY_RATE_LIMITED", key.stateUntilMs, nowMs);
    case "EXHAUSTED":
      return heldUntil("KEY_EXHAUSTED", key.stateUntilMs, nowMs);
    case "BLOCKED":
      return { trouble: "KEY_BLOCKED" };
    case "DEAD":
      return { trouble: "KEY_DEAD" };
    case "UNREADABLE":
      return { trouble: "KEY_UNREADABLE" };
  }
}

function rateLimit(limits: Readonly<Record<string, number>>, upstreamModel: string, nowMs: number): Held | undefined {
  const ofModel = Object.hasOwn(limits, upstreamModel) ? limits[upstreamModel] : undefined;
  const untilMs = Math.max(limits[""] ?? 0, ofModel ?? 0);
  return untilMs > nowMs ? { trouble: "KEY_RATE_LIMITED", untilMs } : undefined;
}

function heldUntil(trouble: Held["trouble"], untilMs: number | undefined, nowMs: number): Held | undefined {
  if (untilMs === undefined) return { trouble };
  return untilMs > nowMs ? { trouble, untilMs } : undefined;
}
