import type { LedgerLoader } from "../../src/ledger/loader.ts";
import type { PriceBook } from "../../src/ledger/price-book.ts";
import type {
  ChargeRow,
  GrantRow,
  HoldRow,
  PoolRow,
  RollupRow,
  RouteFacts,
  TransferRow,
} from "../../src/ledger/rows.ts";
import type { Difference } from "../../src/ledger/verify-account.ts";
import { type LedgerWrites, WorkingSet } from "../../src/ledger/working-set.ts";

/** Everything that a ledger has stored. */
export interface Dump {
  readonly pools: readonly PoolRow[];
  readonly grants: readonly GrantRow[];
  readonly holds: readonly HoldRow[];
  readonly charges: readonly ChargeRow[];
  readonly transfers: readonly TransferRow[];
  readonly rollups: readonly RollupRow[];
}

/** A ledger that can be driven decision by decision. */
export interface TestLedger {
  /** Runs decisions in one transaction and commits them. When `decide` throws, all of it is undone. */
  batch<T>(nowMs: number, decide: (set: WorkingSet) => T): T;
  addRoute(route: RouteFacts): void;
  dump(): Dump;
  /** What the verifier says differs in an account; nothing where there is no verifier. */
  verify(account: string): readonly Difference[];
  /** Forgets everything but what was committed, as a restart does. */
  restart(): void;
  close(): void;
}

/** A ledger whose tables are plain maps. */
export function memoryLedger(): TestLedger {
  const pools = new Map<string, PoolRow>();
  const grants = new Map<string, GrantRow>();
  const holds = new Map<string, HoldRow>();
  const charges: ChargeRow[] = [];
  const transfers: TransferRow[] = [];
  const rollups: RollupRow[] = [];
  const books: PriceBook[] = [];
  const routes = new Map<string, RouteFacts>();
  const copyHold = (row: HoldRow | undefined): HoldRow | undefined => (row === undefined ? undefined : { ...row });
  const loader: LedgerLoader = {
    pool(account) {
      const row = pools.get(account);
      return row === undefined ? undefined : { ...row };
    },
    grants: (account) =>
      [...grants.values()]
        .filter((row) => row.account === account && row.remainingNano > 0n)
        .map((row) => ({ ...row })),
    grant(account, grantId) {
      const row = grants.get(`${account}/${grantId}`);
      return row === undefined ? undefined : { ...row };
    },
    repayments: (account) => transfers.filter((row) => row.account === account && row.code.startsWith("REPAYMENT")),
    openHolds: (account) =>
      [...holds.values()].filter((row) => row.account === account && row.state === "OPEN").map((row) => ({ ...row })),
    hold: (account, holdId) => copyHold(holds.get(`${account}/${holdId}`)),
    holdByCall: (account, callId) =>
      copyHold(
        [...holds.values()]
          .filter((row) => row.account === account && row.callId === callId)
          .sort((a, b) => (a.holdId < b.holdId ? 1 : -1))[0],
      ),
    openHoldsOfHost: (host) =>
      [...holds.values()]
        .filter((row) => row.host === host && row.state === "OPEN")
        .sort((a, b) => a.expireMs - b.expireMs),
    chargeByUsage: (account, kind, usageId) =>
      charges.find((row) => row.account === account && row.kind === kind && row.usageId === usageId),
    chargeByCall: (account, callId, attempt) =>
      charges.find((row) => row.account === account && row.callId === callId && row.attempt === attempt),
    chargeBySequence: (account, sequence) =>
      charges.find((row) => row.account === account && row.sequence === sequence),
    reversalOf: (account, sequence) => charges.find((row) => row.account === account && row.reverses === sequence),
    route(account, routeId) {
      const row = routes.get(routeId);
      return row?.account === account ? row : undefined;
    },
    priceVersions: () => books.map((book) => book.version),
    priceItems: (version) => books.find((book) => book.version.version === version)?.items ?? [],
  };
  let set = new WorkingSet(loader);

  function apply(writes: LedgerWrites): void {
    for (const row of writes.pools) pools.set(row.account, { ...row });
    for (const row of [...writes.newGrants, ...writes.changedGrants])
      grants.set(`${row.account}/${row.grantId}`, { ...row });
    for (const row of [...writes.newHolds, ...writes.changedHolds])
      holds.set(`${row.account}/${row.holdId}`, { ...row });
    charges.push(...writes.charges);
    transfers.push(...writes.transfers);
    for (const row of writes.rollups) rollups.push({ ...row, quantities: { ...row.quantities } });
    books.push(...writes.priceBooks);
  }

  return {
    batch(nowMs, decide) {
      try {
        const result = decide(set);
        set.judge(nowMs, 0n);
        apply(set.drain());
        set.committed();
        return result;
      } catch (error) {
        set.reset();
        throw error;
      }
    },
    addRoute: (route) => void routes.set(route.routeId, route),
    verify: () => [],
    dump: () => ({
      pools: [...pools.values()],
      grants: [...grants.values()],
      holds: [...holds.values()],
      charges: [...charges],
      transfers: [...transfers],
      rollups: [...rollups],
    }),
    restart() {
      set = new WorkingSet(loader);
    },
    close() {},
  };
}
