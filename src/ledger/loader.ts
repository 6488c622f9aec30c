import type { PriceItem, PriceVersion } from "./price-book.ts";
import type { ChargeRow, GrantRow, HoldRow, PoolRow, RouteFacts, TransferRow, UsageKind } from "./rows.ts";

/** A transfer between a grant and overdraft. */
export type Repayment = Pick<TransferRow, "debit" | "credit" | "amountNano" | "code">;

/**
 * What the working set reads, as of the last commit. Synchronous: an engine that answers later reads everything that a batch may need beforehand.
 * Every row that is returned belongs to the receiver.
 */
export interface LedgerLoader {
  pool(account: string): PoolRow | undefined;
  /** The account's grants that have something left, in any order. */
  grants(account: string): GrantRow[];
  /** A grant, whether or not anything is left of it. */
  grant(account: string, grantId: string): GrantRow | undefined;
  /** The transfers by which grants made overdraft good, and those that gave it back, in their order. */
  repayments(account: string): readonly Repayment[];
  openHolds(account: string): HoldRow[];
  hold(account: string, holdId: string): HoldRow | undefined;
  /** The newest hold that was placed for the call. */
  holdByCall(account: string, callId: string): HoldRow | undefined;
  /** The host's open holds of every account, those that end first coming first. */
  openHoldsOfHost(host: string): readonly Pick<HoldRow, "holdId" | "expireMs">[];
  chargeByUsage(account: string, kind: UsageKind, usageId: string): ChargeRow | undefined;
  chargeByCall(account: string, callId: string, attempt: number): ChargeRow | undefined;
  chargeBySequence(account: string, sequence: number): ChargeRow | undefined;
  /** The charge that undoes the one with this sequence. */
  reversalOf(account: string, sequence: number): ChargeRow | undefined;
  route(account: string, routeId: string): RouteFacts | undefined;
  /** Every published version, oldest first. */
  priceVersions(): readonly PriceVersion[];
  /** Every item of a version, those carried over from the version before included. */
  priceItems(version: number): readonly PriceItem[];
}
