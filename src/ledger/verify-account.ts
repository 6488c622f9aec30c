import { MAX_NANO } from "../base/credits.ts";
import { chargeDigest, type StoredValue } from "./charge-digest.ts";
import type { ModelPrices, PriceBook } from "./price-book.ts";
import { priceUsage, type Quantities } from "./price-usage.ts";
import { addToRollup, rollupKey } from "./rollup.ts";
import {
  type ChargeRow,
  COMPONENTS,
  type Component,
  type GrantRow,
  type HoldRow,
  type PoolRow,
  type RollupRow,
  type RouteFacts,
  type TransferRow,
} from "./rows.ts";

/** A charge as it stands in its table. */
export interface StoredChargeRow {
  readonly charge: ChargeRow;
  /** Every column as stored, in the order in which it was digested. */
  readonly columns: readonly StoredValue[];
  readonly digest: string;
}

/** An account's rows, all as of one moment. Lists come in the order of their keys. */
export interface AccountRows {
  readonly account: string;
  readonly pool: PoolRow | undefined;
  readonly grants: Iterable<GrantRow>;
  readonly holds: Iterable<HoldRow>;
  readonly charges: Iterable<StoredChargeRow>;
  readonly transfers: Iterable<TransferRow>;
  readonly rollups: Iterable<RollupRow>;
  charge(sequence: number): ChargeRow | undefined;
  hold(holdId: string): HoldRow | undefined;
  route(routeId: string): RouteFacts | undefined;
  /** Undefined: no such version was published. */
  priceBook(version: number): PriceBook | undefined;
}

/** Something that is not as it must be. */
export interface Difference {
  /** Which rule is broken, in a word: "digest", "balance" and so on. */
  readonly rule: string;
  /** The row: "accounts/a1/charges/17". */
  readonly subject: string;
  readonly expected: string;
  readonly actual: string;
}

/** What the verifier yields: a difference, or undefined after every row, so that whoever drives it can rest. */
export type Found = Difference | undefined;

/**
 * Recomputes everything that must hold within an account from its rows alone: the chain of digests, sequences and times, every amount from quantities and the
 * pinned prices, allocations and transfers, balances at every prefix, grants, holds, rollups and the pool's totals.
 */
export function* verifyAccount(rows: AccountRows): Generator<Found, void> {
  const check = new Checks(rows.account);
  const pool = rows.pool;
  yield* check.same("pool", "pool", "present", pool === undefined ? "missing" : "present");
  if (pool === undefined) return;
  const charged = yield* verifyCharges(rows, pool, check);
  const balances = yield* verifyTransfers(rows, check);
  yield* verifyGrantsAndHolds(rows, pool, balances, check);
  yield* verifyRollups(rows, charged.rollups, check);

  const balance = (side: string): bigint => balances.sides.get(side) ?? 0n;
  yield* check.same("balance", "pool.granted", balance("ISSUED"), pool.grantedNano);
  yield* check.same("balance", "pool.spent", charged.spentNano, pool.spentNano);
  yield* check.same("balance", "pool.overdraft", balance("OVERDRAFT"), pool.overdraftNano);
  yield* check.same("balance", "pool.expired", -balance("EXPIRED"), pool.expiredNano);
  yield* check.same("balance", "pool.voided", -balance("VOID"), pool.voidedNano);
  for (const kind of ["MODEL_CALL", "COMPUTE", "DISK"] as const)
    yield* check.same("balance", `usage.${kind}`, charged.byKind.get(kind) ?? 0n, -balance(`USAGE:${kind}`));
  yield* check.same("sequence", "pool.charges", charged.last, pool.chargeSequence);
  yield* check.same("sequence", "pool.transfers", balances.last, pool.transferSequence);
  yield* check.same("digest", "pool.digest", charged.digest, pool.chargeDigest);
}

/** Says what differs, and counts. */
class Checks {
  readonly #account: string;

  constructor(account: string) {
    this.#account = account;
  }

  *same(rule: string, subject: string, expected: unknown, actual: unknown): Generator<Found, void> {
    if (expected === actual) return;
    yield { rule, subject: `accounts/${this.#account}/${subject}`, expected: String(expected), actual: String(actual) };
  }
}

function* verifyCharges(rows: AccountRows, pool: PoolRow, check: Checks) {
  const rollups = new Map<string, SummedRollup>();
  const byKind = new Map<string, bigint>();
  let digest = "";
  let last = 0;
  let recordMs = 0;
  let spentNano = 0n;
  for (const { charge, columns, digest: stored } of rows.charges) {
    const subject = `charges/${charge.sequence}`;
    yield* check.same("sequence", subject, last + 1, charge.sequence);
    // Charges from before there were digests have none; they can only come first.
    if (stored !== "" || digest !== "") {
      yield* check.same("digest", subject, chargeDigest(digest, columns), stored);
      digest = stored;
    }
    if (charge.recordMs < recordMs) yield* check.same("time", subject, `${recordMs} or later`, charge.recordMs);
    last = charge.sequence;
    recordMs = charge.recordMs;
    spentNano += charge.amountNano;
    byKind.set(charge.kind, (byKind.get(charge.kind) ?? 0n) + charge.amountNano);
    const allocated = charge.allocations.reduce((sum, draw) => sum + draw.amountNano, charge.overdraftNano);
    yield* check.same("allocations", subject, charge.amountNano, allocated);
    yield* verifyPrice(rows, charge, check);
    yield* verifyLinks(rows, charge, check);
    const model = summedModel(rows, charge);
    const key = rollupKey(charge, model);
    rollups.set(key, sumUp(rollups.get(key), charge, model));
    yield undefined;
  }
  yield* check.same("time", "pool.record_time", recordMs, pool.recordMs);
  return { rollups, byKind, digest, last, spentNano };
}

function summedModel(rows: AccountRows, charge: ChargeRow): string {
  if (charge.routeId === "") return "";
  const canonical = rows.route(charge.routeId)?.canonicalModel ?? "";
  return canonical === "" ? charge.upstreamModel : canonical;
}

/** Prices the charge's quantities again by its pinned version: the stored lines and amounts must come out, bit for bit. */
function* verifyPrice(rows: AccountRows, charge: ChargeRow, check: Checks): Generator<Found, void> {
  const subject = `charges/${charge.sequence}`;
  const sign = charge.reverses > 0 ? -1n : 1n;
  const quantities: Partial<Record<Component, bigint>> = {};
  for (const line of charge.lines) quantities[line.component] = line.quantity * sign;
  const prices = charge.priceVersion === 0 ? {} : pricesOf(rows, charge);
  if (prices === undefined) {
    yield* check.same("price", subject, "a published price version", charge.priceVersion);
    return;
  }
  const again = priceUsage(quantities satisfies Quantities, prices);
  const waived = charge.payer === "BYOK";
  for (const [index, line] of charge.lines.entries()) {
    const same = again.lines[index];
    const of = `${subject}/lines/${line.component}`;
    const amount = waived ? 0n : (same?.amountNano ?? 0n) * sign;
    yield* check.same("price", of, `${same?.pricePico}/${same?.unitCount}`, `${line.pricePico}/${line.unitCount}`);
    yield* check.same("price", of, amount, line.amountNano);
    yield* check.same("price", of, same?.listNano === undefined ? undefined : same.listNano * sign, line.listNano);
  }
  yield* check.same("price", subject, waived ? 0n : again.totalNano * sign, charge.amountNano);
}

function pricesOf(rows: AccountRows, charge: ChargeRow): ModelPrices | undefined {
  const book = rows.priceBook(charge.priceVersion);
  if (book === undefined || charge.provider === undefined) return book?.meterPrices();
  const canonicalModel = rows.route(charge.routeId)?.canonicalModel ?? "";
  return book.modelPrices({ provider: charge.provider, upstreamModel: charge.upstreamModel, canonicalModel });
}

function* verifyLinks(rows: AccountRows, charge: ChargeRow, check: Checks): Generator<Found, void> {
  const subject = `charges/${charge.sequence}`;
  if (charge.reverses > 0) {
    const undone = rows.charge(charge.reverses);
    yield* check.same("reversal", subject, undone === undefined ? "a charge" : -undone.amountNano, charge.amountNano);
  }
  if (charge.holdId === "") return;
  const hold = rows.hold(charge.holdId);
  yield* check.same("hold", subject, charge.callId, hold?.callId);
}

function* verifyTransfers(rows: AccountRows, check: Checks) {
  const sides = new Map<string, bigint>();
  const moved = { cause: "", nano: 0n };
  let last = 0;
  for (const transfer of rows.transfers) {
    const subject = `transfers/${transfer.sequence}`;
    yield* check.same("sequence", subject, last + 1, transfer.sequence);
    last = transfer.sequence;
    sides.set(transfer.debit, (sides.get(transfer.debit) ?? 0n) + transfer.amountNano);
    sides.set(transfer.credit, (sides.get(transfer.credit) ?? 0n) - transfer.amountNano);
    if (transfer.debit.startsWith("GRANT:") && (sides.get(transfer.debit) ?? 0n) > 0n)
      yield* check.same("balance", subject, "a grant that is not overdrawn", transfer.debit);
    if (transfer.code === "USAGE" || transfer.code === "REVERSAL") {
      // The transfers of one charge stand together.
      if (moved.cause !== transfer.causeId) {
        yield* verifyMoved(rows, moved, check);
        moved.cause = transfer.causeId;
        moved.nano = 0n;
      }
      moved.nano += transfer.code === "USAGE" ? transfer.amountNano : -transfer.amountNano;
    }
    yield undefined;
  }
  yield* verifyMoved(rows, moved, check);
  return { sides, last };
}

function* verifyMoved(
  rows: AccountRows,
  moved: { cause: string; nano: bigint },
  check: Checks,
): Generator<Found, void> {
  if (moved.cause === "") return;
  yield* check.same("transfers", `charges/${moved.cause}`, rows.charge(Number(moved.cause))?.amountNano, moved.nano);
}

function* verifyGrantsAndHolds(
  rows: AccountRows,
  pool: PoolRow,
  { sides }: { readonly sides: ReadonlyMap<string, bigint> },
  check: Checks,
): Generator<Found, void> {
  const pinned = new Map<string, bigint>();
  let heldNano = 0n;
  for (const hold of rows.holds) {
    const subject = `holds/${hold.holdId}`;
    const pins = hold.pins.reduce((sum, pin) => sum + pin.amountNano, 0n);
    yield* check.same("hold", subject, hold.amountNano, pins);
    if (hold.chargeSequence !== undefined)
      yield* check.same("hold", subject, hold.holdId, rows.charge(hold.chargeSequence)?.holdId);
    if (hold.state === "OPEN") {
      heldNano += hold.amountNano;
      for (const pin of hold.pins) pinned.set(pin.grantId, (pinned.get(pin.grantId) ?? 0n) + pin.amountNano);
    }
    yield undefined;
  }
  yield* check.same("balance", "pool.held", heldNano, pool.heldNano);
  let grantedNano = 0n;
  for (const grant of rows.grants) {
    const subject = `grants/${grant.grantId}`;
    grantedNano += grant.amountNano;
    yield* check.same("balance", subject, -(sides.get(`GRANT:${grant.grantId}`) ?? 0n), grant.remainingNano);
    yield* check.same("hold", subject, pinned.get(grant.grantId) ?? 0n, grant.pinnedNano);
    yield undefined;
  }
  yield* check.same("balance", "pool.granted", grantedNano, pool.grantedNano);
}

/** A rollup row summed up anew. */
interface SummedRollup {
  readonly row: RollupRow;
  /** Whether one of its sums that stop at 2^63-1 got there: what stands in it from then on depends on how charges came in batches. */
  readonly hasStopped: boolean;
}

function sumUp(before: SummedRollup | undefined, charge: ChargeRow, model: string): SummedRollup {
  const row = addToRollup(before?.row, charge, model);
  const isFull = row.listNano === MAX_NANO || COMPONENTS.some((component) => row.quantities[component] === MAX_NANO);
  return { row, hasStopped: isFull || before?.hasStopped === true };
}

/** Everything that a rollup row sums up, in words. */
function describeSums({ charges, amountNano, listNano, quantities }: RollupRow, hasStopped: boolean): string {
  const stopping = hasStopped ? [] : [listNano, ...COMPONENTS.map((component) => quantities[component])];
  return [charges, amountNano, ...stopping].join(", ");
}

function* verifyRollups(rows: AccountRows, expected: Map<string, SummedRollup>, check: Checks): Generator<Found, void> {
  for (const row of rows.rollups) {
    const key = [row.account, row.hour, row.agent, row.kind, row.payer, row.provider, row.model].join("\n");
    const subject = `rollups/${row.hour}/${row.agent}/${row.kind}/${row.payer}/${row.provider}/${row.model}`;
    const sum = expected.get(key);
    expected.delete(key);
    const sums = sum === undefined ? "missing" : describeSums(sum.row, sum.hasStopped);
    yield* check.same("rollup", subject, sums, describeSums(row, sum?.hasStopped === true));
    yield undefined;
  }
  for (const { row } of expected.values()) {
    const { hour, agent, kind } = row;
    yield* check.same("rollup", `rollups/${hour}/${agent}/${kind}`, "present", "missing");
  }
}
