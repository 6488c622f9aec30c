import type { PriceItem, PriceVersion } from "./price-book.ts";
import type { ChargeRow, GrantRow, HoldRow, PoolRow, RouteFacts, UsageKind } from "./rows.ts";

/**
 * What the working set reads, as of the last commit. Synchronous: an engine that answers later reads everything that a batch may need beforehand.
 * Every row that is returned belongs to the receiver.
 */
export interface LedgerLoader {
  pool(account: string): PoolRow | undefined;
  /** The account's grants that have something left, in any order. */
  grants(account: string): GrantRow[];
  openHolds(account: string): HoldRow[];
  hold(account: string, holdId: string): HoldRow | undefined;
  /** The newest hold that was placed for the call. */
  holdByCall(account: string, callId: string): HoldRow | undefined;
  /** The host's open holds of every account, those that end first coming first. */
  openHoldsOfHost(host: string): readonly Pick<HoldRow, "holdId" | "expireMs">[];
  chargeByUsage(account: string, kind: UsageKind, usageId: string): ChargeRow | undefined;
  chargeByCall(account: string, callId: string, attempt: number): ChargeRow | undefined;
  route(account: string, routeId: string): RouteFacts | undefined;
  /** Every published version, oldest first. */
  priceVersions(): readonly PriceVersion[];
  /** Every item of a version, those carried over from the version before included. */
  priceItems(version: number): readonly PriceItem[];
}
