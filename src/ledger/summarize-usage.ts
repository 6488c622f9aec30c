import { MAX_NANO } from "../base/credits.ts";
import { COMPONENTS, type Component, type RollupRow } from "./rows.ts";

/** What usage can be grouped by. */
export const GROUPINGS = ["DAY", "HOUR", "KIND", "PROVIDER", "MODEL", "AGENT", "PAYER"] as const;

/** One of `GROUPINGS`. */
export type Grouping = (typeof GROUPINGS)[number];

const HOURS_PER_DAY = 24;
const HOUR_MS = 3_600_000;

/** The sum of one group. What is not grouped by is undefined. */
export interface UsageSum {
  /** The beginning of the day or hour, UTC, in milliseconds since the Unix epoch. */
  readonly startMs: number | undefined;
  readonly kind: RollupRow["kind"] | undefined;
  readonly provider: RollupRow["provider"] | undefined;
  readonly model: string | undefined;
  readonly agent: string | undefined;
  readonly payer: RollupRow["payer"] | undefined;
  /** Charges that were not undone. */
  charges: number;
  amountNano: bigint;
  listNano: bigint;
  /** They stop at 2^63-1. */
  readonly quantities: Record<Component, bigint>;
}

/** Sums rollup rows up by group, the groups in order. Returns undefined when there are more than `groupsMax`. */
export function summarizeUsage(
  rows: Iterable<RollupRow>,
  groupBy: readonly Grouping[],
  groupsMax: number,
): readonly UsageSum[] | undefined {
  const groups = new Map<string, UsageSum>();
  const by = new Set(groupBy);
  for (const row of rows) {
    const empty = emptySum(row, by);
    const key = [empty.startMs, empty.kind, empty.provider, empty.model, empty.agent, empty.payer].join("\n");
    let sum = groups.get(key);
    if (sum === undefined) {
      if (groups.size === groupsMax) return undefined;
      sum = empty;
      groups.set(key, sum);
    }
    sum.charges += row.charges;
    sum.amountNano += row.amountNano;
    sum.listNano = upTo(sum.listNano + row.listNano);
    for (const component of COMPONENTS)
      sum.quantities[component] = upTo(sum.quantities[component] + row.quantities[component]);
  }
  return [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

function emptySum(row: RollupRow, by: ReadonlySet<Grouping>): UsageSum {
  const hour = by.has("HOUR") ? row.hour : by.has("DAY") ? row.hour - (row.hour % HOURS_PER_DAY) : undefined;
  return {
    startMs: hour === undefined ? undefined : hour * HOUR_MS,
    kind: by.has("KIND") ? row.kind : undefined,
    provider: by.has("PROVIDER") ? row.provider : undefined,
    model: by.has("MODEL") ? row.model : undefined,
    agent: by.has("AGENT") ? row.agent : undefined,
    payer: by.has("PAYER") ? row.payer : undefined,
    charges: 0,
    amountNano: 0n,
    listNano: 0n,
    quantities: {
      INPUT_UNCACHED: 0n,
      CACHE_READ: 0n,
      CACHE_WRITE: 0n,
      OUTPUT: 0n,
      REASONING: 0n,
      VCPU: 0n,
      MEMORY: 0n,
      DISK: 0n,
    },
  };
}

function upTo(value: bigint): bigint {
  return value > MAX_NANO ? MAX_NANO : value;
}
