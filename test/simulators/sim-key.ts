import type { TokenScript } from "./token-script.ts";

/** What a simulated provider holds against a key. Not every provider knows every condition. */
export const KEY_CONDITIONS = [
  "live",
  "revoked",
  "expired",
  "wrong_kind",
  "no_credit",
  "budget_in_flight",
  "rate_limited",
  "restricted",
  "disabled",
  "blocked",
  "team_blocked",
  "network_refused",
  "country_refused",
  "no_organization",
] as const;

export type KeyCondition = (typeof KEY_CONDITIONS)[number];

/** How a key is made. */
export interface MintOptions {
  /** OpenRouter: the most that the key may spend, in US dollars. */
  readonly limitUsd?: number;
  /** OpenRouter: when it ends, RFC 3339. */
  readonly expiresAt?: string;
  readonly condition?: KeyCondition;
}

/** What was used on a key. */
export interface Spend {
  calls: number;
  inputTokens: number;
  outputTokens: number;
  /** 10^-10 US dollars, a whole number. */
  costTicks: number;
}

/** A key that a simulated provider issued. The one place where its text is kept. */
export interface SimKey {
  readonly id: string;
  readonly text: string;
  readonly limitUsd: number | undefined;
  readonly expiresAt: string | undefined;
  condition: KeyCondition;
  /** Whether GET endpoints show the condition, or only model calls. */
  seenByGet: boolean;
  retryAfterSeconds: number;
  script: TokenScript | undefined;
  readonly spend: Spend;
}

/** US dollars that the key may still spend; undefined without a limit. */
export function remainingUsd(key: SimKey): number | undefined {
  if (key.limitUsd === undefined) return key.condition === "no_credit" ? 0 : undefined;
  return key.condition === "no_credit" ? 0 : key.limitUsd - key.spend.costTicks / 1e10;
}

/** A key as providers show it in their error texts: its ends are readable, which is why such texts must not be handed on. */
export function maskedKey(text: string): string {
  return `${text.slice(0, 8)}${"*".repeat(12)}${text.slice(-4)}`;
}
