import type { Mutation } from "../audit/mutation.ts";
import type { Balance } from "./balance.ts";
import type { NewGrant } from "./grant-credits.ts";
import type { PriceVersion } from "./price-book.ts";
import type { NewPrices } from "./publish-prices.ts";
import type { ChargeRow, GrantRow } from "./rows.ts";
import type { Recorder, RecordResult, UsageRecord } from "./usage-record.ts";

/**
 * Where credits are kept. Mutations resolve when they are durable, in one transaction with their audit and their request id's answer; every method may
 * throw STORAGE_FULL, OVERLOADED or DRAINING, and those that take a mutation REQUEST_ID_CONFLICT.
 */
export interface LedgerStore {
  /** Gives credits; see `grantCredits`. Throws FIELDS_INVALID. */
  grantCredits(grant: NewGrant, mutation: Mutation): Promise<GrantRow>;
  /**
   * Records 1-500 usage records in order, each judged alone; see `recordUsage` for the rejections. Returns one result for each, in order. The audit event
   * is written if at least one charge was created.
   */
  recordUsage(
    records: readonly UsageRecord[],
    recorder: Recorder,
    mutation: Mutation,
  ): Promise<readonly RecordResult[]>;
  /** Publishes a price version; see `publishPrices`. Throws FIELDS_INVALID. */
  publishPrices(prices: NewPrices, mutation: Mutation): Promise<PriceVersion>;
  /** The version that was published last, in force or not yet; undefined when nothing was published. */
  newestPriceVersion(): Promise<PriceVersion | undefined>;
  /** The account's balance as of now: of what was acknowledged before the call, nothing is missing. An unknown account's is all zero. */
  balance(account: string): Promise<Balance>;
  /** The account's charges, newest first, at most `limit` (1-500 and one more), those before the sequence `beforeSequence` if one is given. */
  listCharges(account: string, limit: number, beforeSequence?: number): Promise<readonly ChargeRow[]>;
  /**
   * Books what time has ended: holds and grants whose end has come, for at most 500 accounts. Returns for how many; when that is the most, there may be
   * more. Decisions do not wait for it: they go by time themselves.
   */
  sweepHolds(): Promise<number>;
}

/** The resource name of a charge. */
export function chargeName(charge: Pick<ChargeRow, "account" | "chargeId">): string {
  return `accounts/${charge.account}/charges/${charge.chargeId}`;
}

/** The resource name of a grant. */
export function grantName(grant: Pick<GrantRow, "account" | "grantId">): string {
  return `accounts/${grant.account}/grants/${grant.grantId}`;
}

/** The resource name of a price version; empty for 0, which stands for none. */
export function priceVersionName(version: number): string {
  return version === 0 ? "" : `priceVersions/${version}`;
}
