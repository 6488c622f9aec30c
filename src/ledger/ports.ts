import type { Mutation } from "../audit/mutation.ts";
import type { Provider } from "../base/provider.ts";
import type { Balance } from "./balance.ts";
import type { ChargeCondition } from "./charge-filter.ts";
import type { HoldRef } from "./find-hold.ts";
import type { NewGrant } from "./grant-credits.ts";
import type { PreviewOrder } from "./preview-charge.ts";
import type { PriceItem, PriceVersion } from "./price-book.ts";
import type { PricedUsage } from "./price-usage.ts";
import type { PriceWarning } from "./price-warnings.ts";
import type { NewPrices } from "./publish-prices.ts";
import type { ChargeRow, GrantRow, HoldRow } from "./rows.ts";
import type { Grouping, UsageSum } from "./summarize-usage.ts";
import type { Recorder, RecordResult, TokenCounts, UsageRecord } from "./usage-record.ts";
import type { Difference } from "./verify-account.ts";

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
  /** Keeps a hold open; see `extendHold`. Throws HOLD_NOT_FOUND, CALL_SETTLED, HOLD_NOT_OPEN. */
  extendHold(ref: HoldRef, usedSoFar: TokenCounts | undefined, mutation: Mutation): Promise<HoldRow>;
  /** Gives up a hold; see `releaseHold`. Throws HOLD_NOT_FOUND, CALL_SETTLED. */
  releaseHold(ref: HoldRef, mutation: Mutation): Promise<HoldRow>;
  /** Takes a grant back; see `voidGrant`. Throws GRANT_NOT_FOUND. */
  voidGrant(account: string, grantId: string, mutation: Mutation): Promise<GrantRow>;
  /** Undoes a charge; see `reverseCharge`. Throws CHARGE_NOT_FOUND, CHARGE_REVERSED. */
  reverseCharge(account: string, sequence: number, mutation: Mutation): Promise<ChargeRow>;
  /** The account's grants, newest first, at most `limit`, those before the id `beforeGrantId` if one is given. */
  listGrants(account: string, limit: number, beforeGrantId?: string): Promise<readonly GrantRow[]>;
  /** A charge, with the sequence of the one that undid it if there is one; undefined when there is no such charge. */
  findCharge(
    account: string,
    sequence: number,
  ): Promise<{ readonly charge: ChargeRow; readonly reversedBy: number | undefined } | undefined>;
  /**
   * Recomputes what must hold from the stored rows, of one account or, when it is undefined, of all of them after `afterAccount`; ends soon after `signal`
   * aborts. Each account is looked at as of one moment. Yields after each account.
   */
  verify(account: string | undefined, afterAccount: string, signal: AbortSignal): AsyncIterable<VerifiedAccount>;
  /** Keeps prices as a draft. Throws FIELDS_INVALID. */
  draftPrices(draftId: string, prices: NewPrices, mutation: Mutation): Promise<PriceDraft>;
  /** Publishes a draft, once; see `publishPrices`. Throws FIELDS_INVALID, PRICES_UNCONFIRMED. */
  publishDraft(draftId: string, guarded: boolean, mutation: Mutation): Promise<PriceVersion>;
  /** A published version and a page of its items, from the place `offset` on; undefined: there is no such version. The newest one for undefined. */
  listPrices(
    version: number | undefined,
    offset: number,
    limit: number,
  ): Promise<{ readonly version: PriceVersion; readonly items: readonly PriceItem[] } | undefined>;
  /** What usage would cost; see `previewCharge`. */
  previewCharge(
    order: PreviewOrder,
  ): Promise<{ readonly priced: PricedUsage; readonly version: PriceVersion } | undefined>;
  /** Publishes a price version; see `publishPrices`. Throws FIELDS_INVALID, PRICES_UNCONFIRMED. */
  publishPrices(prices: NewPrices, mutation: Mutation): Promise<PriceVersion>;
  /** The version that was published last, in force or not yet; undefined when nothing was published. */
  newestPriceVersion(): Promise<PriceVersion | undefined>;
  /** The account's balance as of now: of what was acknowledged before the call, nothing is missing. An unknown account's is all zero. */
  balance(account: string): Promise<Balance>;
  /** The account's charges, newest first, at most `limit` (1-500 and one more), those before the sequence `beforeSequence` if one is given. */
  listCharges(account: string, limit: number, beforeSequence?: number): Promise<readonly ChargeRow[]>;
  /**
   * Those of the account's charges with a sequence before `beforeSequence` that meet the conditions, newest first, at most `limit`, among the
   * `LIMITS.chargesScannedMax` that come first: what it costs does not grow with the account. `nextSequence` is where to go on; undefined: nowhere.
   */
  findCharges(
    account: string,
    conditions: readonly ChargeCondition[],
    limit: number,
    beforeSequence?: number,
  ): Promise<{ readonly charges: readonly ChargeRow[]; readonly nextSequence: number | undefined }>;
  /**
   * Usage that happened from `startMs` on and before `endMs`, summed up by group; both are beginnings of hours. Undefined: there are more than
   * `LIMITS.summaryGroupsMax` groups.
   */
  summarizeUsage(
    account: string,
    startMs: number,
    endMs: number,
    groupBy: readonly Grouping[],
  ): Promise<readonly UsageSum[] | undefined>;
  /** The account's charges with a sequence after `afterSequence`, oldest first, at most `limit`. */
  chargesAfter(account: string, afterSequence: number, limit: number): Promise<readonly ChargeRow[]>;
  /** The sequence of the last of the account's charges that were recorded before `atMs`; 0 when there is none. */
  lastSequenceBefore(account: string, atMs: number): Promise<number>;
  /** The first account after `account`, in the order of their ids, that has charges; undefined: there is none. */
  nextChargedAccount(account: string): Promise<string | undefined>;
  /** Hosted usage of a provider, of every account, that happened from `startMs` on and before `endMs`, both beginnings of hours, by model. */
  summarizeProvider(provider: Provider, startMs: number, endMs: number): Promise<readonly UsageSum[] | undefined>;
  /**
   * Books what time has ended: holds and grants whose end has come, for at most 500 accounts. Returns for how many; when that is the most, there may be
   * more. Decisions do not wait for it: they go by time themselves. Once it returns, nothing is recorded any more with a time from before it was called.
   */
  sweepHolds(): Promise<number>;
}

/** Prices that were proposed. */
export interface PriceDraft {
  readonly draftId: string;
  readonly itemCount: number;
  readonly warnings: readonly PriceWarning[];
  readonly createMs: number;
}

/** What the verification of one account found. */
export interface VerifiedAccount {
  /** Empty: the price versions, which belong to no account. */
  readonly account: string;
  readonly rows: number;
  /** The first of what differs, at most `LIMITS.differencesMax`. */
  readonly differences: readonly Difference[];
}

/** The resource name of a charge. */
export function chargeName(charge: Pick<ChargeRow, "account" | "sequence">): string {
  return `accounts/${charge.account}/charges/${charge.sequence}`;
}

/** The resource name of a grant. */
export function grantName(grant: Pick<GrantRow, "account" | "grantId">): string {
  return `accounts/${grant.account}/grants/${grant.grantId}`;
}

/** The resource name of a price version; empty for 0, which stands for none. */
export function priceVersionName(version: number): string {
  return version === 0 ? "" : `priceVersions/${version}`;
}
