import { activePriceVersion as findActive } from "../../ledger/active-price.ts";
import { catchUp } from "../../ledger/catch-up.ts";
import { outputLimit } from "../../ledger/output-limit.ts";
import { placeHold as decideHold } from "../../ledger/place-hold.ts";
import type { HoldRequest, Release, Released } from "../../router/ports.ts";
import { ledgerSet } from "./ledger-set.ts";
import type { WriteTransaction } from "./write-transaction.ts";

/** Sets credits aside for a hosted call inside the current transaction, or gives the call's open hold again. Throws as the ledger's `placeHold` does. */
export function placeHold(
  tx: WriteTransaction,
  route: Release,
  request: HoldRequest,
): NonNullable<Released["hold"]> & { readonly priceVersion: number } {
  const { account, agent, host, callId, routeId, model, provider, upstreamModel, canonicalModel } = route;
  const order = { account, agent, host, callId, routeId, model, provider, upstreamModel, canonicalModel, ...request };
  const set = ledgerSet(tx);
  const hold = decideHold(set, order, tx.nowMs);
  // What was decided waits in memory for the flush: from here on the command must not refuse.
  tx.dirty = true;
  const { holdId, amountNano, expireMs, maxOutputTokens, priceVersion } = hold;
  const limit = outputLimit(set, order, hold);
  const placed = { holdId, amountNano, expireMs, maxOutputTokens, priceVersion };
  return limit === undefined ? placed : { ...placed, outputLimit: limit };
}

/** The price version in force now; 0 when none was published. */
export function activePriceVersion(tx: WriteTransaction): number {
  return findActive(ledgerSet(tx).priceVersions(), tx.nowMs)?.version ?? 0;
}

/** What the account owes at this moment, in nano-credits. */
export function overdraftNano(tx: WriteTransaction, account: string): bigint {
  return catchUp(ledgerSet(tx), account, tx.nowMs).pool.overdraftNano;
}
