import type { Clock } from "../../base/clock.ts";
import { divideHalfEven, NANO_PER_CREDIT } from "../../base/credits.ts";
import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import type { Provider } from "../../base/provider.ts";
import type { CreditSettings } from "../credit-settings.ts";
import { type AskedCreditValue, readCreditValue } from "../credit-value.ts";
import type { LedgerStore } from "../ports.ts";
import type { UsageSum } from "../summarize-usage.ts";

const DAY_MS = 86_400_000;
/** Providers bill late: a day is compared two days after its end. */
const SETTLED_AFTER_MS = 2 * DAY_MS;
const MILLIONTHS = 1_000_000n;
/** A capture ratio within 0.995 and 1.005 is nobody's concern. */
const TOLERANCE_MILLIONTHS = 5_000n;
const PERCENT = 100n;

/** What a comparison needs. */
export interface ReconcileDayDeps {
  readonly ledger: Pick<LedgerStore, "summarizeProvider">;
  readonly clock: Pick<Clock, "nowMs">;
  /** What holds where a request does not say. */
  readonly creditSettings: Pick<CreditSettings, "creditsPerUsdNano" | "markupPercent">;
}

/** A provider's bill of one day. */
export interface ReconcileDayInput extends AskedCreditValue {
  /** Undefined: one that serves nothing here. */
  readonly provider: Provider | undefined;
  readonly dayMs: number | undefined;
  readonly billedUsdNano: bigint;
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
  { ledger, clock, creditSettings }: ReconcileDayDeps,
  { provider, dayMs, billedUsdNano, ...asked }: ReconcileDayInput,
): Promise<Reconciliation> {
  const fields = new FieldChecker();
  fields.check(provider !== undefined, "provider", "must be one that serves models");
  const isDay = dayMs !== undefined && dayMs % DAY_MS === 0;
  fields.check(isDay, "day", "must be the beginning of a day, UTC");
  const settled = dayMs !== undefined && dayMs + DAY_MS + SETTLED_AFTER_MS <= clock.nowMs();
  fields.check(settled, "day", "must have ended 48 hours ago or more");
  fields.check(billedUsdNano >= 0n, "billed_usd_nanos", "must not be negative");
  const { creditsPerUsdNano, markupPercent } = readCreditValue(fields, "", asked, creditSettings);
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
