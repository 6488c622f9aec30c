import { invariant } from "../base/errors.ts";
import { RecentCache } from "../base/recent-cache.ts";
import type { CreditEvent } from "./account-event.ts";
import { type AccountState, emptyPool } from "./account-state.ts";
import { compareBurnOrder } from "./burn-order.ts";
import { judgeAccount } from "./judge-account.ts";
import type { LedgerLoader, Repayment } from "./loader.ts";
import { PriceBook, type PriceVersion } from "./price-book.ts";
import { addToRollup, rollupKey } from "./rollup.ts";
import type { ChargeRow, GrantRow, HoldRow, PoolRow, RollupRow, RouteFacts, TransferRow, UsageKind } from "./rows.ts";

const ACCOUNTS_KEPT_MAX = 20_000;
const ROUTES_KEPT_MAX = 50_000;
const HOSTS_KEPT_MAX = 2_000;
const BOOKS_KEPT_MAX = 16;

/** What a batch changed, to be written in one transaction: a row that changed often stands here once. */
export interface LedgerWrites {
  readonly pools: readonly PoolRow[];
  readonly newGrants: readonly GrantRow[];
  readonly changedGrants: readonly GrantRow[];
  readonly newHolds: readonly HoldRow[];
  readonly changedHolds: readonly HoldRow[];
  readonly charges: readonly ChargeRow[];
  readonly transfers: readonly TransferRow[];
  /** To be added to what is stored. */
  readonly rollups: readonly RollupRow[];
  readonly priceBooks: readonly PriceBook[];
}

/**
 * The rows that decisions look at and change, in memory. What a batch changed is taken with `drain` and written; `committed` keeps the rest for the next
 * batch, which only a single writer may do; `reset` forgets everything, as a rollback demands and as a writer among several does after every batch.
 */
export class WorkingSet {
  readonly #loader: LedgerLoader;
  readonly #accounts = new RecentCache<AccountState>(ACCOUNTS_KEPT_MAX);
  readonly #routes = new RecentCache<RouteFacts>(ROUTES_KEPT_MAX);
  /** Per host, when each of its open holds ends, those that end first coming first. */
  readonly #hosts = new RecentCache<Map<string, number>>(HOSTS_KEPT_MAX);
  readonly #books = new RecentCache<PriceBook>(BOOKS_KEPT_MAX);
  #priceVersions: PriceVersion[] | undefined;

  readonly #changedAccounts = new Set<AccountState>();
  readonly #newGrants = new Set<GrantRow>();
  readonly #changedGrants = new Set<GrantRow>();
  readonly #newHolds = new Set<HoldRow>();
  readonly #changedHolds = new Set<HoldRow>();
  /** Holds that this batch placed or resolved: the loader does not know their present state. By id and by call. */
  readonly #touchedHolds = new Map<string, HoldRow>();
  readonly #charges: ChargeRow[] = [];
  readonly #reversals: ChargeRow[] = [];
  readonly #chargesByUsage = new Map<string, ChargeRow>();
  readonly #chargesByCall = new Map<string, ChargeRow>();
  readonly #transfers: TransferRow[] = [];
  readonly #rollups = new Map<string, RollupRow>();
  readonly #priceBooks: PriceBook[] = [];

  constructor(loader: LedgerLoader) {
    this.#loader = loader;
  }

  /** The account's state: of an unknown account, an empty one. */
  account(account: string): AccountState {
    const kept = this.#accounts.get(account);
    if (kept !== undefined) return kept;
    const pool = this.#loader.pool(account);
    const state: AccountState =
      pool === undefined
        ? { pool: emptyPool(account), grants: [], holds: new Map() }
        : {
            pool,
            grants: this.#loader.grants(account).sort(compareBurnOrder),
            holds: new Map(this.#loader.openHolds(account).map((hold) => [hold.holdId, hold])),
          };
    this.#accounts.set(account, state);
    return state;
  }

  /** A grant in its present state, whether or not anything is left of it. Ask the account's state first. */
  grant(account: string, grantId: string): GrantRow | undefined {
    for (const grant of [...this.#changedGrants, ...this.#newGrants])
      if (grant.account === account && grant.grantId === grantId) return grant;
    return this.#loader.grant(account, grantId);
  }

  /** The transfers by which grants made overdraft good, and those that gave it back, in their order. */
  repayments(account: string): readonly Repayment[] {
    const own = this.#transfers.filter(
      (transfer) =>
        transfer.account === account && (transfer.code === "REPAYMENT" || transfer.code === "REPAYMENT_RETURN"),
    );
    return [...this.#loader.repayments(account), ...own];
  }

  /** The hold in its present state, or undefined. */
  hold(account: string, holdId: string): HoldRow | undefined {
    return (
      this.account(account).holds.get(holdId) ??
      this.#touchedHolds.get(holdKey(account, holdId)) ??
      this.#loader.hold(account, holdId)
    );
  }

  /** The newest hold that was placed for the call, in its present state, or undefined. */
  holdByCall(account: string, callId: string): HoldRow | undefined {
    const touched = this.#touchedHolds.get(callKey(account, callId));
    if (touched !== undefined) return touched;
    const stored = this.#loader.holdByCall(account, callId);
    return stored === undefined ? undefined : this.hold(account, stored.holdId);
  }

  /** How many holds of the host, over all accounts, are open at `nowMs`, whether or not anybody swept up the ended ones. */
  openHoldsOfHost(host: string, nowMs: number): number {
    const holds = this.#holdsOfHost(host);
    for (const [holdId, expireMs] of holds) {
      if (expireMs > nowMs) break;
      holds.delete(holdId);
    }
    return holds.size;
  }

  route(account: string, routeId: string): RouteFacts | undefined {
    const kept = this.#routes.get(routeId);
    if (kept !== undefined) return kept.account === account ? kept : undefined;
    const route = this.#loader.route(account, routeId);
    if (route !== undefined) this.#routes.set(routeId, route);
    return route;
  }

  chargeByUsage(account: string, kind: UsageKind, usageId: string): ChargeRow | undefined {
    return (
      this.#chargesByUsage.get(usageKey(account, kind, usageId)) ?? this.#loader.chargeByUsage(account, kind, usageId)
    );
  }

  chargeByCall(account: string, callId: string, attempt: number): ChargeRow | undefined {
    return (
      this.#chargesByCall.get(attemptKey(account, callId, attempt)) ??
      this.#loader.chargeByCall(account, callId, attempt)
    );
  }

  chargeBySequence(account: string, sequence: number): ChargeRow | undefined {
    return (
      this.#loader.chargeBySequence(account, sequence) ??
      this.#charges.find((charge) => charge.account === account && charge.sequence === sequence)
    );
  }

  /** The charge that undoes the one with this sequence, or undefined. */
  reversalOf(account: string, sequence: number): ChargeRow | undefined {
    return (
      this.#reversals.find((charge) => charge.account === account && charge.reverses === sequence) ??
      this.#loader.reversalOf(account, sequence)
    );
  }

  /** Every published version, oldest first. */
  priceVersions(): readonly PriceVersion[] {
    this.#priceVersions ??= [...this.#loader.priceVersions()];
    return this.#priceVersions;
  }

  /** A published version's prices. The version must exist. */
  priceBook(version: number): PriceBook {
    const key = String(version);
    const kept = this.#books.get(key);
    if (kept !== undefined) return kept;
    const published = this.priceVersions().find((known) => known.version === version);
    invariant(published !== undefined, `price version ${version} was never published`);
    const book = new PriceBook(published, this.#loader.priceItems(version));
    this.#books.set(key, book);
    return book;
  }

  poolChanged(state: AccountState): void {
    this.#changedAccounts.add(state);
  }

  grantChanged(grant: GrantRow): void {
    if (!this.#newGrants.has(grant)) this.#changedGrants.add(grant);
  }

  addGrant(grant: GrantRow): void {
    this.#newGrants.add(grant);
  }

  /** A hold that was just placed: it is open. */
  addHold(state: AccountState, hold: HoldRow): void {
    this.#holdsOfHost(hold.host).set(hold.holdId, hold.expireMs);
    state.holds.set(hold.holdId, hold);
    this.#newHolds.add(hold);
    this.#touch(hold);
  }

  /** An open hold that ends later than it did. */
  holdExtended(hold: HoldRow): void {
    const ends = [...this.#holdsOfHost(hold.host).set(hold.holdId, hold.expireMs)].sort(([, a], [, b]) => a - b);
    this.#hosts.set(hold.host, new Map(ends));
    if (!this.#newHolds.has(hold)) this.#changedHolds.add(hold);
    this.#touch(hold);
  }

  /** A hold whose state just changed: it is not open any more. */
  holdResolved(state: AccountState, hold: HoldRow): void {
    this.#holdsOfHost(hold.host).delete(hold.holdId);
    state.holds.delete(hold.holdId);
    if (!this.#newHolds.has(hold)) this.#changedHolds.add(hold);
    this.#touch(hold);
  }

  addCharge(charge: ChargeRow): void {
    this.#charges.push(charge);
    if (charge.reverses > 0) this.#reversals.push(charge);
    // The ledger's own charges are found by their sequence alone.
    if (charge.usageId === "") return;
    this.#chargesByUsage.set(usageKey(charge.account, charge.kind, charge.usageId), charge);
    if (charge.callId !== "")
      this.#chargesByCall.set(attemptKey(charge.account, charge.callId, charge.attempt), charge);
  }

  addTransfer(transfer: TransferRow): void {
    this.#transfers.push(transfer);
  }

  /** Adds a charge to its hour. `model` is what usage is summed up by. */
  addRollup(charge: ChargeRow, model: string): void {
    const key = rollupKey(charge, model);
    this.#rollups.set(key, addToRollup(this.#rollups.get(key), charge, model));
  }

  addPriceBook(book: PriceBook): void {
    this.#priceVersions = [...this.priceVersions(), book.version];
    this.#books.set(String(book.version.version), book);
    this.#priceBooks.push(book);
  }

  /** Which accounts' credits crossed a line since the last time, as of `nowMs`. Call it before `drain`, which takes the new level along. */
  judge(nowMs: number, lowNano: bigint): readonly CreditEvent[] {
    const events: CreditEvent[] = [];
    for (const state of this.#changedAccounts) {
      const event = judgeAccount(state, nowMs, lowNano);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  /** Takes what changed since the last time. Call it before the commit. */
  drain(): LedgerWrites {
    const writes: LedgerWrites = {
      pools: Array.from(this.#changedAccounts, (state) => state.pool),
      newGrants: [...this.#newGrants],
      changedGrants: [...this.#changedGrants],
      newHolds: [...this.#newHolds],
      changedHolds: [...this.#changedHolds],
      charges: this.#charges.splice(0),
      transfers: this.#transfers.splice(0),
      rollups: [...this.#rollups.values()],
      priceBooks: this.#priceBooks.splice(0),
    };
    this.#forgetChanges();
    return writes;
  }

  /** What was drained is durable: the rows stay for the next batch, as many as there is room for. */
  committed(): void {
    this.#accounts.trim();
    this.#routes.trim();
    this.#hosts.trim();
    this.#books.trim();
  }

  /** Forgets everything: what was decided was undone, or others may have written since. */
  reset(): void {
    this.#forgetChanges();
    this.#charges.length = this.#transfers.length = this.#priceBooks.length = 0;
    this.#accounts.clear();
    this.#routes.clear();
    this.#hosts.clear();
    this.#books.clear();
    this.#priceVersions = undefined;
  }

  #forgetChanges(): void {
    this.#changedAccounts.clear();
    this.#newGrants.clear();
    this.#changedGrants.clear();
    this.#newHolds.clear();
    this.#changedHolds.clear();
    this.#touchedHolds.clear();
    this.#chargesByUsage.clear();
    this.#chargesByCall.clear();
    this.#rollups.clear();
    this.#reversals.length = 0;
  }

  #holdsOfHost(host: string): Map<string, number> {
    const kept = this.#hosts.get(host);
    if (kept !== undefined) return kept;
    const loaded = new Map(this.#loader.openHoldsOfHost(host).map(({ holdId, expireMs }) => [holdId, expireMs]));
    this.#hosts.set(host, loaded);
    return loaded;
  }

  #touch(hold: HoldRow): void {
    this.#touchedHolds.set(holdKey(hold.account, hold.holdId), hold);
    // A late capture of an older hold must not hide the call's newest one.
    const newest = this.#touchedHolds.get(callKey(hold.account, hold.callId));
    if (newest === undefined || newest.holdId <= hold.holdId)
      this.#touchedHolds.set(callKey(hold.account, hold.callId), hold);
  }
}

function holdKey(account: string, holdId: string): string {
  return `${account}\nhold\n${holdId}`;
}

function callKey(account: string, callId: string): string {
  return `${account}\ncall\n${callId}`;
}

function usageKey(account: string, kind: UsageKind, usageId: string): string {
  return `${account}\n${kind}\n${usageId}`;
}

function attemptKey(account: string, callId: string, attempt: number): string {
  return `${account}\n${callId}\n${attempt}`;
}
