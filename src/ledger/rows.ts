import type { Payer, Provider } from "../base/provider.ts";
import type { CreditLevel } from "./credit-level.ts";

/** What was used. */
export type UsageKind = "MODEL_CALL" | "COMPUTE" | "DISK";

/** What is counted and priced: disjoint parts, in the order in which a charge lists them. */
export const COMPONENTS = [
  "INPUT_UNCACHED",
  "CACHE_READ",
  "CACHE_WRITE",
  "OUTPUT",
  "REASONING",
  "VCPU",
  "MEMORY",
  "DISK",
] as const;

/** One of `COMPONENTS`. Tokens; vCPU-milliseconds, MiB-milliseconds, byte-seconds. */
export type Component = (typeof COMPONENTS)[number];

/** How a model call ended. */
export type CallOutcome = "SUCCEEDED" | "FAILED" | "CANCELLED";

/** Where credits came from. */
export type GrantCategory = "PAID" | "PROMOTIONAL";

/** An account's totals, all in nano-credits. Mutable: it is the working set's own copy. */
export interface PoolRow {
  readonly account: string;
  grantedNano: bigint;
  /** What open holds set aside. */
  heldNano: bigint;
  /** What all charges came to. */
  spentNano: bigint;
  expiredNano: bigint;
  /** What was taken back from grants. */
  voidedNano: bigint;
  /** What was spent beyond the grants and not made good yet. */
  overdraftNano: bigint;
  /** How many charges the account has: the sequence of the newest. */
  chargeSequence: number;
  /** The digest of the newest charge, which covers all before it; empty while there is none. Kept by whoever writes the rows. */
  chargeDigest: string;
  /** How many transfers the account has: the sequence of the newest. */
  transferSequence: number;
  /** When the newest charge was recorded. */
  recordMs: number;
  /** Not before then does time alone change anything here (a hold or a grant ends, a grant begins); absent: never. Never too late, at times too early. */
  dueMs: number | undefined;
  /** How the account stood when its watchers were last told. */
  creditLevel: CreditLevel;
}

/** Credits given to an account. Mutable: it is the working set's own copy. */
export interface GrantRow {
  readonly account: string;
  readonly grantId: string;
  readonly amountNano: bigint;
  /** What is left of it, holds included. */
  remainingNano: bigint;
  /** The part of `remainingNano` that open holds set aside. */
  pinnedNano: bigint;
  /** Lower ones are burnt first. */
  readonly priority: number;
  readonly category: GrantCategory;
  readonly effectiveMs: number;
  readonly expireMs: number | undefined;
  readonly createMs: number;
  /** When it was taken back: nothing is drawn from it any more, except what was set aside before. */
  voidMs: number | undefined;
}

/** A part of an amount, and the grant that it is drawn from. */
export interface Draw {
  readonly grantId: string;
  readonly amountNano: bigint;
}

/** Credits set aside for one hosted call. Mutable: it is the working set's own copy. */
export interface HoldRow {
  readonly account: string;
  readonly holdId: string;
  readonly host: string;
  readonly agent: string;
  readonly callId: string;
  /** The first route that was given with it. */
  readonly routeId: string;
  readonly model: string;
  readonly priceVersion: number;
  readonly inputTokens: bigint;
  /** As asked for. */
  readonly requestedOutputTokens: bigint;
  /** What the credits cover of it. */
  readonly maxOutputTokens: bigint;
  readonly amountNano: bigint;
  /** The grants that it is set aside from; together `amountNano`. */
  readonly pins: readonly Draw[];
  readonly createMs: number;
  expireMs: number;
  state: "OPEN" | "CAPTURED" | "RELEASED" | "EXPIRED";
  /** When it stopped being open. */
  resolveMs: number | undefined;
  /** The charge that captured it; of one that expired, the charge that estimates it. */
  chargeSequence: number | undefined;
  /** What its host last said that the call had used, as `usageText` writes it; empty: nothing yet. */
  usedSoFar: string;
}

/** One priced part of a charge. */
export interface ChargeLine {
  readonly component: Component;
  readonly quantity: bigint;
  /** In pico-credits (10^-12 credit) for `unitCount` of the component's unit; both 0: unpriced. */
  readonly pricePico: bigint;
  readonly unitCount: bigint;
  readonly amountNano: bigint;
  /** What it would have cost on hosted credits; absent: unpriced. */
  readonly listNano: bigint | undefined;
}

/** What one usage record cost, or an estimate of one, or what undoes another charge. It never changes. */
export interface ChargeRow {
  readonly account: string;
  /** Counts the account's charges, from 1, without a gap; a charge's id. */
  readonly sequence: number;
  readonly kind: UsageKind;
  /** Empty: the ledger's own charge, an estimate or a reversal. */
  readonly usageId: string;
  readonly agent: string;
  readonly payer: Payer;
  readonly amountNano: bigint;
  /** What it would have cost on hosted credits; absent: not priced, or not wholly. */
  readonly listNano: bigint | undefined;
  /** The part of `amountNano` that no grant covered. */
  readonly overdraftNano: bigint;
  readonly estimated: boolean;
  /** The price version that it was priced by; 0: nothing was priced. */
  readonly priceVersion: number;
  readonly lines: readonly ChargeLine[];
  /** The grants that paid, in burn order; with `overdraftNano` they sum to `amountNano`. */
  readonly allocations: readonly Draw[];
  /** Model calls only; otherwise empty, 0 or absent: */
  readonly provider: Provider | undefined;
  readonly model: string;
  readonly upstreamModel: string;
  readonly routeId: string;
  /** The hold that it captured. */
  readonly holdId: string;
  readonly callId: string;
  readonly attempt: number;
  readonly outcome: CallOutcome | undefined;
  readonly keyVersion: number;
  readonly providerCostUsdNano: bigint | undefined;
  readonly providerRequestId: string;
  /** The record as its caller sent it, in the canonical text of `record-text.ts`: labels and the provider's usage object stand in it. */
  readonly recordText: string;
  readonly occurMs: number;
  readonly recordMs: number;
  /** The sequence of the charge that this one undoes, every amount and quantity negated; 0: none. */
  readonly reverses: number;
}

/** Why credits moved. */
export type TransferCode = "GRANT" | "USAGE" | "REPAYMENT" | "EXPIRY" | "VOID" | "REVERSAL" | "REPAYMENT_RETURN";

/**
 * Credits that moved within an account: one row with a debit and a credit side, so that an unbalanced entry cannot be written. The sides are `ISSUED`,
 * `GRANT:<id>`, `USAGE:<kind>`, `OVERDRAFT`, `EXPIRED` and `VOID`.
 */
export interface TransferRow {
  readonly account: string;
  /** Counts the account's transfers, from 1, without a gap. */
  readonly sequence: number;
  readonly debit: string;
  readonly credit: string;
  /** More than zero. */
  readonly amountNano: bigint;
  readonly code: TransferCode;
  /** The sequence of the charge, or the id of the grant, that caused it. */
  readonly causeId: string;
  readonly bookMs: number;
}

/** What was used within one hour of occurrence. Mutable: it adds up within a batch. Its quantities stop at 2^63-1. */
export interface RollupRow {
  readonly account: string;
  /** Whole hours since the Unix epoch, UTC. */
  readonly hour: number;
  readonly agent: string;
  readonly kind: UsageKind;
  readonly payer: Payer;
  /** Empty unless a model call. */
  readonly provider: Provider | "";
  readonly model: string;
  charges: number;
  amountNano: bigint;
  listNano: bigint;
  readonly quantities: Record<Component, bigint>;
}

/** A route as the ledger needs it: who may record against it, who pays, and how it is priced. */
export interface RouteFacts {
  readonly routeId: string;
  readonly account: string;
  readonly agent: string;
  readonly host: string;
  readonly payer: Payer;
  readonly provider: Provider;
  /** As the agent named it. */
  readonly model: string;
  readonly upstreamModel: string;
  /** Empty when the catalogue does not know the model. */
  readonly canonicalModel: string;
  readonly keyVersion: number;
  /** 0 when nothing was published yet. */
  readonly priceVersion: number;
  readonly holdId: string | undefined;
  readonly callId: string;
  readonly createMs: number;
}
