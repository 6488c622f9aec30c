import type { PriceVersion } from "./price-book.ts";

/**
 * The version in force at `atMs`: the newest that was effective by then; undefined when none was. `versions` come oldest first, and a newer version is
 * never effective before an older one.
 */
export function activePriceVersion(versions: readonly PriceVersion[], atMs: number): PriceVersion | undefined {
  return versions.findLast((version) => version.effectiveMs <= atMs);
}

/**
 * The version that metered usage is priced by: the one in force when it happened. What happened before anything was priced goes by the first version that
 * has become effective since: a meter's interval reaches back, and usage must neither be lost nor be free.
 */
export function meterPriceVersion(
  versions: readonly PriceVersion[],
  occurMs: number,
  nowMs: number,
): PriceVersion | undefined {
  const first = versions[0];
  return (
    activePriceVersion(versions, occurMs) ?? (first !== undefined && first.effectiveMs <= nowMs ? first : undefined)
  );
}
