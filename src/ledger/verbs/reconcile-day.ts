import type { Clock } from "../../base/clock.ts";
import { divideHalfEven, NANO_PER_CREDIT } from "../../base/credits.ts";
import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import type { Provider } from "../../base/provider.ts";
import type { LedgerStore } from "../ports.ts";
import type { UsageSum } from "../summarize-usage.ts";

const DAY_MS = 86_400_000;
/** Providers bill late: a day is compared two days after its end. */
const SETTLED_AFTER_MS = 2 * DAY_MS;
const MILLIONTHS = 1_000_000n;
/** A capture ratio within 0.995 and 1.005 is nobody's concern. */
const TOLERANCE_MILLIONTHS = 5_000n;
const PERCENT = 100n;
const MARKUP_MAX_PERCENT = 1_000;

/** What a comparison needs. */
export interface ReconcileDayDeps {
  readonly ledger: Pick<LedgerStore, "summarizeProvider">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** A provider's bill of one day. */
export interface ReconcileDayInput {
  /** Undefined: one that serves nothing here. */
  readonly provider: Provider | undefined;
  readonly dayMs: number | undefined;
  readonly billedUsdNano: bigint;
  /** Undefined: an amount that no ledger could hold. */
  readonly creditsPerUsdNano: bigint | undefined;
  readonly markupPercent: number;
}

/** How a day's charges compare with its bill. */
export interface Reconciliation {
  readonly capturedUsdNano: bigint;
  readonly differenceUsdNano: bigint;
  /** Captured to billed; undefined: nothing was billed. */
  readonly ratioMillionths: bigint | undefined;
  readonly outOfTolerance: boolean;
  readonly models: readonly UsageSum[];
}

/** Compares what was charged for a provider's hosted calls of a closed UTC day with what it billed for them. Throws FIELDS_INVALID. */
export async function reconcileDay(
  { ledger, clock }: ReconcileDayDeps,
  { provider, dayMs, billedUsdNano, creditsPerUsdNano = 0n, markupPercent }: ReconcileDayInput,
): Promise<Reconciliation> {
  const fields = new FieldChecker();
  fields.check(provider !== undefined, "provider", "must be one that serves models");
  const isDay = dayMs !== undefined && dayMs % DAY_MS === 0;
  fields.check(isDay, "day", "must be the beginning of a day, UTC");
  const settled = dayMs !== undefined && dayMs + DAY_MS + SETTLED_AFTER_MS <= clock.nowMs();
  fields.check(settled, "day", "must have ended 48 hours ago or more");
  fields.check(billedUsdNano >= 0n, "billed_usd_nanos", "must not be negative");
  fields.check(creditsPerUsdNano > 0n, "credits_per_usd", "must be more than zero");
  const markupInRange = markupPercent >= 0 && markupPercent <= MARKUP_MAX_PERCENT;
  fields.check(markupInRange, "markup_percent", `must be 0-${MARKUP_MAX_PERCENT}`);
  fields.done();
  const startMs = dayMs ?? 0;
  const models = await ledger.summarizeProvider(provider ?? "openai", startMs, startMs + DAY_MS);
  fields.check(models !== undefined, "day", `has more than ${LIMITS.summaryGroupsMax} models`);
  fields.done();
  const chargedNano = (models ?? []).reduce((sum, { amountNano }) => sum + amountNano, 0n);
  const capturedUsdNano = divideHalfEven(
    chargedNano * NANO_PER_CREDIT * PERCENT,
    creditsPerUsdNano * (PERCENT + BigInt(markupPercent)),
  );
  const ratioMillionths =
    billedUsdNano === 0n ? undefined : divideHalfEven(capturedUsdNano * MILLIONTHS, billedUsdNano);
  const off = ratioMillionths === undefined ? undefined : ratioMillionths - MILLIONTHS;
  return {
    capturedUsdNano,
    differenceUsdNano: capturedUsdNano - billedUsdNano,
    ratioMillionths,
    outOfTolerance:
      off === undefined ? capturedUsdNano > 0n : off > TOLERANCE_MILLIONTHS || off < -TOLERANCE_MILLIONTHS,
    models: models ?? [],
  };
}
