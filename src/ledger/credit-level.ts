/** How an account stands with its credits, as its watchers were last told. */
export type CreditLevel = "ENOUGH" | "LOW" | "EXHAUSTED";

/** What a level is judged by, in nano-credits. */
export interface CreditsLeft {
  /** What live grants hold, whether or not open holds have set it aside. */
  readonly leftNano: bigint;
  readonly overdraftNano: bigint;
}

/** LOW ends a quarter above the line at which it began, EXHAUSTED at a hundredth of the line: a balance that trembles on a line is told of once. */
const RESTORED_NUMERATOR = 5n;
const RESTORED_DENOMINATOR = 4n;
const REVIVED_DENOMINATOR = 100n;

/**
 * The level that follows from what is left. `lowNano` is the operator's line; 0: nothing is ever low. Credits that open holds set aside count as left: a
 * hold takes what a call may cost at worst, often all there is, and gives most of it back, so that available credits go up and down with every call.
 */
export function judgeCredits(
  level: CreditLevel,
  { leftNano, overdraftNano }: CreditsLeft,
  lowNano: bigint,
): CreditLevel {
  if (overdraftNano > 0n || leftNano <= 0n) return "EXHAUSTED";
  const isLow = leftNano < lowNano;
  if (level === "ENOUGH") return isLow ? "LOW" : "ENOUGH";
  if (level === "LOW") return leftNano * RESTORED_DENOMINATOR >= lowNano * RESTORED_NUMERATOR ? "ENOUGH" : "LOW";
  if (leftNano * REVIVED_DENOMINATOR < lowNano) return "EXHAUSTED";
  return isLow ? "LOW" : "ENOUGH";
}

const RANKS = { ENOUGH: 2, LOW: 1, EXHAUSTED: 0 } as const satisfies Record<CreditLevel, number>;

/** What a change of level is called when it is told. */
export function levelEventKind(
  before: CreditLevel,
  after: CreditLevel,
): "CREDITS_LOW" | "CREDITS_EXHAUSTED" | "CREDITS_RESTORED" {
  if (RANKS[after] > RANKS[before]) return "CREDITS_RESTORED";
  return after === "EXHAUSTED" ? "CREDITS_EXHAUSTED" : "CREDITS_LOW";
}
