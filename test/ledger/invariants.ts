import { expect } from "vitest";
import type { ChargeRow } from "../../src/ledger/rows.ts";
import type { Dump } from "./tables.ts";

/** Checks invariants 1 to 10 of the ledger on what is stored, from the rows alone. `before` are the charges seen earlier. */
export function checkInvariants(dump: Dump, nowMs: number, before: readonly ChargeRow[] = []): void {
  for (const pool of dump.pools) {
    const own = <T extends { account: string }>(rows: readonly T[]): T[] =>
      rows.filter((row) => row.account === pool.account);
    const grants = own(dump.grants);
    const holds = own(dump.holds);
    const charges = own(dump.charges).sort((a, b) => a.sequence - b.sequence);
    const transfers = own(dump.transfers).sort((a, b) => a.sequence - b.sequence);
    const open = holds.filter((hold) => hold.state === "OPEN");

    // 1: the totals are the sums of their parts.
    expect(pool.grantedNano).toBe(sum(grants, (grant) => grant.amountNano));
    expect(pool.spentNano).toBe(sum(charges, (charge) => charge.amountNano));
    expect(pool.spentNano).toBe(sum(own(dump.rollups), (rollup) => rollup.amountNano));
    const undoing = charges.filter((charge) => charge.reverses > 0).length;
    expect(charges.length - 2 * undoing).toBe(own(dump.rollups).reduce((count, rollup) => count + rollup.charges, 0));
    expect(pool.heldNano).toBe(sum(open, (hold) => hold.amountNano));

    // 3 and 10: every prefix of the transfers is a ledger in which no grant is overdrawn; at its end stand the stored balances.
    const balances = new Map<string, bigint>();
    for (const transfer of transfers) {
      expect(transfer.amountNano > 0n).toBe(true);
      balances.set(transfer.debit, (balances.get(transfer.debit) ?? 0n) + transfer.amountNano);
      balances.set(transfer.credit, (balances.get(transfer.credit) ?? 0n) - transfer.amountNano);
      for (const side of [transfer.debit, transfer.credit])
        if (side.startsWith("GRANT:")) expect((balances.get(side) ?? 0n) <= 0n).toBe(true);
    }
    expect(sum([...balances.values()], (balance) => balance)).toBe(0n);
    expect(balances.get("ISSUED") ?? 0n).toBe(pool.grantedNano);
    expect(balances.get("OVERDRAFT") ?? 0n).toBe(pool.overdraftNano);
    expect(-(balances.get("EXPIRED") ?? 0n)).toBe(pool.expiredNano);
    expect(-(balances.get("VOID") ?? 0n)).toBe(pool.voidedNano);
    for (const kind of ["MODEL_CALL", "COMPUTE", "DISK"] as const) {
      const ofKind = charges.filter((charge) => charge.kind === kind);
      expect(-(balances.get(`USAGE:${kind}`) ?? 0n)).toBe(sum(ofKind, (charge) => charge.amountNano));
    }

    // 2 and 5: a grant holds what was not taken from it, nothing is below zero, and nothing is available while there is overdraft.
    for (const grant of grants) {
      expect(-(balances.get(`GRANT:${grant.grantId}`) ?? 0n)).toBe(grant.remainingNano);
      const pins = open.flatMap((hold) => hold.pins).filter((pin) => pin.grantId === grant.grantId);
      expect(grant.pinnedNano).toBe(sum(pins, (pin) => pin.amountNano));
      expect(grant.remainingNano >= grant.pinnedNano && grant.pinnedNano >= 0n).toBe(true);
    }
    const due = pool.dueMs !== undefined && pool.dueMs <= nowMs;
    const live = grants.filter(
      (grant) =>
        grant.effectiveMs <= nowMs &&
        (grant.expireMs === undefined || grant.expireMs > nowMs) &&
        grant.voidMs === undefined,
    );
    const available = sum(live, (grant) => grant.remainingNano - grant.pinnedNano);
    if (pool.overdraftNano > 0n && !due) expect(available).toBe(0n);

    // 4: a charge is its lines, its allocations and its transfers.
    for (const charge of charges) {
      expect(sum(charge.lines, (line) => line.amountNano)).toBe(charge.amountNano);
      expect(sum(charge.allocations, (draw) => draw.amountNano) + charge.overdraftNano).toBe(charge.amountNano);
      const code = charge.reverses === 0 ? "USAGE" : "REVERSAL";
      const caused = transfers.filter(
        (transfer) => transfer.code === code && transfer.causeId === String(charge.sequence),
      );
      const moved = sum(caused, (transfer) => transfer.amountNano);
      expect(charge.reverses === 0 ? moved : -moved).toBe(charge.amountNano);
      if (charge.payer === "BYOK") expect(charge.amountNano).toBe(0n);
      // 7: what is stored suffices to compute it again.
      for (const line of charge.lines) {
        if (line.listNano === undefined) expect(line.unitCount).toBe(0n);
        else expect(line.listNano).toBe(roundHalfEven(line.quantity * line.pricePico, line.unitCount * 1000n));
        if (charge.payer === "HOSTED") expect(line.amountNano).toBe(line.listNano ?? 0n);
      }
    }

    // 6: a hold and the charge that settled it, or estimates it, name each other; every other charge for it was undone. A charge is undone once.
    const undone = charges.filter((charge) => charge.reverses > 0).map((charge) => charge.reverses);
    expect(new Set(undone).size).toBe(undone.length);
    for (const hold of holds) {
      const ofHold = charges.filter((charge) => charge.holdId === hold.holdId).map((charge) => charge.sequence);
      if (hold.chargeSequence !== undefined) expect(ofHold.at(-1)).toBe(hold.chargeSequence);
      const others = ofHold.filter((sequence) => sequence !== hold.chargeSequence);
      for (const sequence of others) expect(undone).toContain(sequence);
      if (hold.state === "CAPTURED") expect(hold.chargeSequence).toBeDefined();
      expect(sum(hold.pins, (pin) => pin.amountNano)).toBe(hold.amountNano);
    }

    // 8: sequences have no gap, and recorded time does not run backwards.
    expect(charges.map((charge) => charge.sequence)).toEqual(charges.map((_, index) => index + 1));
    expect(transfers.map((transfer) => transfer.sequence)).toEqual(transfers.map((_, index) => index + 1));
    expect(pool.chargeSequence).toBe(charges.length);
    for (const [index, charge] of charges.entries())
      expect(charge.recordMs >= (charges[index - 1]?.recordMs ?? 0)).toBe(true);
  }
  // 9: what was charged stays as it was.
  const now = new Map(dump.charges.map((charge) => [`${charge.account}/${charge.sequence}`, charge]));
  for (const charge of before) expect(now.get(`${charge.account}/${charge.sequence}`)).toEqual(charge);
}

/** Rounds by looking at the remainder alone: another way than the ledger's own. */
export function roundHalfEven(numerator: bigint, denominator: bigint): bigint {
  if (numerator < 0n) return -roundHalfEven(-numerator, denominator);
  const floor = numerator / denominator;
  const rest = numerator - floor * denominator;
  const toFloor = rest;
  const toCeiling = denominator - rest;
  if (rest === 0n || toFloor < toCeiling) return floor;
  if (toFloor > toCeiling) return floor + 1n;
  return floor + (floor & 1n);
}

function sum<T>(rows: readonly T[], of: (row: T) => bigint): bigint {
  return rows.reduce((total, row) => total + of(row), 0n);
}
