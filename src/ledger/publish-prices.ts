import { createHash } from "node:crypto";
import { canonicalBytes } from "../base/canonical.ts";
import { MAX_NANO } from "../base/credits.ts";
import { refuse } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import { isPriceProvider, PriceBook, type PriceItem, type PriceVersion } from "./price-book.ts";
import { itemKey, type PriceWarning, priceWarnings } from "./price-warnings.ts";
import { COMPONENTS, type Component } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

/** How far in the past prices may become effective: the caller's clock is not ours. */
const PAST_TOLERANCE_MS = 5 * 60_000;
/** Items of one version, those carried over included. */
const BOOK_ITEMS_MAX = 50_000;
const METERS: readonly Component[] = ["VCPU", "MEMORY", "DISK"];

/** An item as its caller sent it: nothing is checked yet. Undefined: a component, or a provider, that cannot be priced. */
export interface ProposedItem extends Omit<PriceItem, "component" | "provider"> {
  readonly component: Component | undefined;
  readonly provider: string | undefined;
}

/** Prices to publish. */
export interface NewPrices {
  readonly items: readonly ProposedItem[];
  /** From when they hold; undefined: now. */
  readonly effectiveMs: number | undefined;
  /** Whether what looks like a slip is refused rather than published. */
  readonly guarded?: boolean;
}

/**
 * Publishes a new version: the given items over those of the newest version. What was charged before stays as it was, and routes stay pinned to the
 * version that they were resolved under. Throws FIELDS_INVALID, or PRICES_UNCONFIRMED when they are guarded and look like a slip, with nothing changed.
 */
export function publishPrices(set: WorkingSet, order: NewPrices, nowMs: number): PriceVersion {
  const newest = set.priceVersions().at(-1);
  const items = checkItems(order, newest, nowMs);
  const before = newest === undefined ? [] : set.priceBook(newest.version).items;
  const warnings = order.guarded === true ? priceWarnings(items, before) : [];
  if (warnings.length > 0) throw pricesUnconfirmed(warnings);
  const merged = new Map(before.map((item) => [itemKey(item), item]));
  for (const item of items) merged.set(itemKey(item), item);
  const checker = new FieldChecker();
  checker.check(merged.size <= BOOK_ITEMS_MAX, "items", `would make a price book of more than ${BOOK_ITEMS_MAX} items`);
  checker.done();
  const sorted = [...merged.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
  const version: PriceVersion = {
    version: (newest?.version ?? 0) + 1,
    contentHash: contentHash(sorted),
    effectiveMs: order.effectiveMs ?? nowMs,
    publishMs: nowMs,
    itemCount: sorted.length,
  };
  set.addPriceBook(new PriceBook(version, sorted));
  return version;
}

/** What looks like a slip in proposed prices, beside those of the newest version. Throws FIELDS_INVALID. */
export function judgePrices(set: WorkingSet, order: NewPrices, nowMs: number): readonly PriceWarning[] {
  const newest = set.priceVersions().at(-1);
  const items = checkItems(order, newest, nowMs);
  return priceWarnings(items, newest === undefined ? [] : set.priceBook(newest.version).items);
}

function pricesUnconfirmed(warnings: readonly PriceWarning[]) {
  const told = warnings.map(({ index, text }) => `items[${index}] ${text}`);
  return refuse(
    "PRICES_UNCONFIRMED",
    `Nothing was published, since some prices look like a slip: ${told.slice(0, 5).join("; ")}. Mend them, or set confirm_warnings if they are meant.`,
    { warnings: told.join("; ") },
  );
}

/** SHA-256 over the items in their order, hexadecimal. */
export function contentHash(items: readonly PriceItem[]): string {
  const hash = createHash("sha256");
  for (const item of items) {
    hash.update(
      canonicalBytes([item.component, item.provider, item.model, item.minInputTokens, item.pricePico, item.unitCount]),
    );
  }
  return hash.digest("hex");
}

function checkItems(order: NewPrices, newest: PriceVersion | undefined, nowMs: number): readonly PriceItem[] {
  const checker = new FieldChecker();
  const items = checkPrices(checker, order);
  checkPricesTime(checker, order, nowMs);
  checker.check(
    newest === undefined || (order.effectiveMs ?? nowMs) >= newest.effectiveMs,
    "effective_time",
    "must not be before that of the newest version",
  );
  checker.done();
  return items;
}

/** Notes prices that would have become effective in the past, as seen at `nowMs`. */
export function checkPricesTime(checker: FieldChecker, { effectiveMs }: NewPrices, nowMs: number): void {
  checker.check((effectiveMs ?? nowMs) >= nowMs - PAST_TOLERANCE_MS, "effective_time", "must not be in the past");
}

/** Notes what is wrong with the items by themselves. Returns them, which are only good when nothing was noted. */
export function checkPrices(checker: FieldChecker, order: NewPrices): readonly PriceItem[] {
  checker.check(
    order.items.length >= 1 && order.items.length <= LIMITS.priceItemsMax,
    "items",
    `must be 1-${LIMITS.priceItemsMax}`,
  );
  const seen = new Set<string>();
  const items: PriceItem[] = [];
  for (const [index, proposed] of order.items.slice(0, LIMITS.priceItemsMax).entries()) {
    const item = checkItem(checker, `items[${index}]`, proposed);
    if (item === undefined) continue;
    checker.check(
      !seen.has(itemKey(item)),
      `items[${index}]`,
      "prices the same component, provider, model and tier as another item",
    );
    seen.add(itemKey(item));
    items.push(item);
  }
  return items;
}

function checkItem(checker: FieldChecker, path: string, item: ProposedItem): PriceItem | undefined {
  const { component, provider, model, minInputTokens, pricePico, unitCount } = item;
  checker.check(pricePico >= 0n && pricePico <= MAX_NANO, `${path}.price_pico`, "must not be negative");
  checker.check(unitCount >= 1n && unitCount <= MAX_NANO, `${path}.unit_count`, "must be 1 or more");
  checker.check(
    minInputTokens >= 0n && minInputTokens <= LIMITS.quantityMax,
    `${path}.min_input_tokens`,
    `must be 0-${LIMITS.quantityMax.toString()}`,
  );
  if (component === undefined || !COMPONENTS.includes(component)) {
    checker.check(false, `${path}.component`, "is missing or not one that is known");
    return undefined;
  }
  if (provider === undefined || !isPriceProvider(provider)) {
    checker.check(false, `${path}.provider`, "is not one that serves models here");
    return undefined;
  }
  if (METERS.includes(component)) {
    checker.check(provider === "", `${path}.provider`, "must be empty for compute and disk");
    checker.check(model === "", `${path}.model`, "must be empty for compute and disk");
    checker.check(minInputTokens === 0n, `${path}.min_input_tokens`, "must be 0 for compute and disk");
  } else {
    checker.text(`${path}.model`, model, 1, LIMITS.modelMaxChars);
  }
  return { component, provider, model, minInputTokens, pricePico, unitCount };
}
