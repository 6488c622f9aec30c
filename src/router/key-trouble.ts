import type { KeyStanding, KeyTrouble } from "./decision.ts";

/**
 * Why the key cannot serve at `nowMs`; undefined when it can. An unverified key is tried all the same. A rate limit, or an empty account, whose
 * time is over gets a trial call. Only a probe clears the other states.
 */
export function keyTrouble(
  { state, stateUntilMs }: Pick<KeyStanding, "state" | "stateUntilMs">,
  nowMs: number,
): KeyTrouble | undefined {
  switch (state) {
    case "ACTIVE":
    case "UNVERIFIED":
      return undefined;
    case "RATE_LIMITED":
      return isOver(stateUntilMs, nowMs) ? undefined : "KEY_RATE_LIMITED";
    case "EXHAUSTED":
      return isOver(stateUntilMs, nowMs) ? undefined : "KEY_EXHAUSTED";
    case "BLOCKED":
      return "KEY_BLOCKED";
    case "DEAD":
      return "KEY_DEAD";
    case "UNREADABLE":
      return "KEY_UNREADABLE";
  }
}

function isOver(untilMs: number | undefined, nowMs: number): boolean {
  return untilMs !== undefined && untilMs <= nowMs;
}
