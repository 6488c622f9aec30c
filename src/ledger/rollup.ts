import { MAX_NANO } from "../base/credits.ts";
import { type ChargeRow, COMPONENTS, type Component, type RollupRow } from "./rows.ts";

const HOUR_MS = 3_600_000;

/** Names the rollup row that a charge belongs to. */
export function rollupKey(charge: ChargeRow, model: string): string {
  const hour = Math.floor(charge.occurMs / HOUR_MS);
  return `${charge.account}\n${hour}\n${charge.agent}\n${charge.kind}\n${charge.payer}\n${charge.provider ?? ""}\n${model}`;
}

/** Adds a charge to its rollup row, which is made when there is none yet. A reversal takes away what the charge that it undoes had added. */
export function addToRollup(row: RollupRow | undefined, charge: ChargeRow, model: string): RollupRow {
  const sum = row ?? {
    account: charge.account,
    hour: Math.floor(charge.occurMs / HOUR_MS),
    agent: charge.agent,
    kind: charge.kind,
    payer: charge.payer,
    provider: charge.provider ?? "",
    model,
    charges: 0,
    amountNano: 0n,
    listNano: 0n,
    quantities: noQuantities(),
  };
  sum.charges += charge.reverses === 0 ? 1 : -1;
  sum.amountNano += charge.amountNano;
  sum.listNano = addUpTo(sum.listNano, charge.listNano ?? 0n);
  for (const line of charge.lines) {
    sum.quantities[line.component] = addUpTo(sum.quantities[line.component], line.quantity);
  }
  return sum;
}

// Amounts are bounded by the pool's own total; quantities and list amounts are not, and stop at what 64 bits hold.
function addUpTo(a: bigint, b: bigint): bigint {
  const sum = a + b;
  return sum > MAX_NANO ? MAX_NANO : sum;
}

function noQuantities(): Record<Component, bigint> {
  const quantities: Partial<Record<Component, bigint>> = {};
  for (const component of COMPONENTS) quantities[component] = 0n;
  return quantities as Record<Component, bigint>;
}
