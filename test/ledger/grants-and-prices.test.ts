import fc from "fast-check";
import { expect, test } from "vitest";
import { PloriError } from "../../src/base/errors.ts";
import { activePriceVersion } from "../../src/ledger/active-price.ts";
import { allocate } from "../../src/ledger/allocate.ts";
import { balance } from "../../src/ledger/balance.ts";
import { compareBurnOrder } from "../../src/ledger/burn-order.ts";
import { grantCredits, type NewGrant } from "../../src/ledger/grant-credits.ts";
import { publishPrices } from "../../src/ledger/publish-prices.ts";
import type { GrantRow } from "../../src/ledger/rows.ts";
import { item, NOW_MS } from "./fixtures.ts";
import { checkInvariants } from "./invariants.ts";
import { memoryLedger, type TestLedger } from "./tables.ts";

const HOUR_MS = 3_600_000;

function grant(rest: Partial<GrantRow>): GrantRow {
  return {
    account: "a1",
    grantId: "g",
    amountNano: 10n,
    remainingNano: 10n,
    pinnedNano: 0n,
    priority: 0,
    category: "PAID",
    effectiveMs: NOW_MS,
    expireMs: undefined,
    createMs: NOW_MS,
    voidMs: undefined,
    ...rest,
  };
}

function give(ledger: TestLedger, rest: Partial<NewGrant>, nowMs = NOW_MS): GrantRow | PloriError {
  const order: NewGrant = {
    account: "a1",
    grantId: "g1",
    amountNano: 100n,
    priority: 0,
    category: "PAID",
    effectiveMs: undefined,
    expireMs: undefined,
    ...rest,
  };
  return caught(() => ledger.batch(nowMs, (set) => grantCredits(set, order, nowMs)));
}

function caught<T>(run: () => T): T | PloriError {
  try {
    return run();
  } catch (error) {
    if (error instanceof PloriError) return error;
    throw error;
  }
}

function fieldsOf(refused: unknown): readonly string[] {
  return refused instanceof PloriError ? (refused.refusal.violations ?? []).map(({ field }) => field) : [];
}

test("grants burn by priority, then expiry, then promotional before paid, then beginning, then id", () => {
  const inOrder = [
    grant({ grantId: "1", priority: 0, expireMs: NOW_MS + 2 }),
    grant({ grantId: "2", priority: 1, expireMs: NOW_MS + 1 }),
    grant({ grantId: "3", priority: 1, expireMs: NOW_MS + 2, category: "PROMOTIONAL" }),
    grant({ grantId: "4", priority: 1, expireMs: NOW_MS + 2, effectiveMs: NOW_MS - 1 }),
    grant({ grantId: "5", priority: 1, expireMs: NOW_MS + 2 }),
    grant({ grantId: "6", priority: 1, expireMs: NOW_MS + 2 }),
    grant({ grantId: "7", priority: 1, category: "PROMOTIONAL" }),
    grant({ grantId: "8", priority: 1 }),
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray(inOrder, { minLength: inOrder.length }), (shuffled) => {
      expect(shuffled.toSorted(compareBurnOrder)).toEqual(inOrder);
    }),
  );
});

test("an amount is met from the first grants that have something free, and the rest is uncovered", () => {
  const grants = [
    grant({ grantId: "1", pinnedNano: 4n }),
    grant({ grantId: "2", effectiveMs: NOW_MS + 1 }),
    grant({ grantId: "3", expireMs: NOW_MS }),
    grant({ grantId: "4" }),
  ];
  expect(allocate(grants, 20n, NOW_MS)).toEqual({
    draws: [
      { grantId: "1", amountNano: 6n },
      { grantId: "4", amountNano: 10n },
    ],
    uncoveredNano: 4n,
  });
  expect(allocate(grants, 20n, NOW_MS, [{ grantId: "3", amountNano: 3n }]).uncoveredNano).toBe(1n);
});

test("a grant counts from its beginning to its end, whether or not anybody swept, and what is left then has expired", () => {
  const ledger = memoryLedger();
  give(ledger, { effectiveMs: NOW_MS + HOUR_MS, expireMs: NOW_MS + 2 * HOUR_MS });
  const at = (nowMs: number) => ledger.batch(nowMs, (set) => balance(set, "a1", nowMs));
  expect(at(NOW_MS)).toMatchObject({ availableNano: 0n, grantedNano: 100n, grants: [{ remainingNano: 100n }] });
  expect(at(NOW_MS + HOUR_MS)).toMatchObject({ availableNano: 100n, expiredNano: 0n });
  expect(at(NOW_MS + 2 * HOUR_MS)).toMatchObject({ availableNano: 0n, expiredNano: 100n, grants: [] });
  checkInvariants(ledger.dump(), NOW_MS + 2 * HOUR_MS);
});

test.each([
  ["amount", { amountNano: 0n }],
  ["amount", { amountNano: -1n }],
  ["priority", { priority: 1_001 }],
  ["priority", { priority: -1 }],
  ["expire_time", { expireMs: NOW_MS }],
  ["expire_time", { effectiveMs: NOW_MS + 2, expireMs: NOW_MS + 1 }],
] as const)("a grant with a bad %s is refused by that name", (field, rest) => {
  const ledger = memoryLedger();
  expect(fieldsOf(give(ledger, rest))).toEqual([field]);
  expect(ledger.dump().pools).toEqual([]);
});

test("what an account is given in all fits 64 bits; one nano-credit more is refused", () => {
  const ledger = memoryLedger();
  expect(give(ledger, { amountNano: 2n ** 63n - 2n })).toMatchObject({ remainingNano: 2n ** 63n - 2n });
  expect(fieldsOf(give(ledger, { grantId: "g2", amountNano: 2n }))).toEqual(["amount"]);
  expect(give(ledger, { grantId: "g2", amountNano: 1n })).toMatchObject({ remainingNano: 1n });
  checkInvariants(ledger.dump(), NOW_MS);
});

function publish(
  ledger: TestLedger,
  items: Parameters<typeof publishPrices>[1]["items"],
  effectiveMs?: number,
  nowMs = NOW_MS,
) {
  return caught(() => ledger.batch(nowMs, (set) => publishPrices(set, { items, effectiveMs }, nowMs)));
}

test("a version is whole: the given items over those of the version before, with a hash of its content alone", () => {
  const ledger = memoryLedger();
  expect(publish(ledger, [item("DISK", 1n), item("VCPU", 2n)])).toMatchObject({ version: 1, itemCount: 2 });
  const second = publish(ledger, [item("DISK", 3n)]);
  expect(second).toMatchObject({ version: 2, itemCount: 2 });
  const other = memoryLedger();
  publish(other, [item("VCPU", 2n), item("DISK", 3n)], NOW_MS - 1);
  const hashes = [ledger, other].map((one) => one.batch(NOW_MS, (set) => set.priceVersions().at(-1)?.contentHash));
  expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(hashes[0]).toBe(hashes[1]);
  expect(ledger.batch(NOW_MS, (set) => set.priceBook(1).items.map(({ pricePico }) => pricePico))).toEqual([1n, 2n]);
});

test.each([
  ["items", []],
  ["items[0].price_pico", [item("DISK", -1n)]],
  ["items[0].price_pico", [item("DISK", 2n ** 63n)]],
  ["items[0].unit_count", [item("DISK", 1n, 0n)]],
  ["items[0].min_input_tokens", [item("OUTPUT", 1n, 1n, -1n)]],
  ["items[0].min_input_tokens", [item("DISK", 1n, 1n, 5n)]],
  ["items[0].model", [{ ...item("OUTPUT", 1n), model: "" }]],
  ["items[0].model", [{ ...item("DISK", 1n), model: "m" }]],
  ["items[0].provider", [{ ...item("OUTPUT", 1n), provider: "anthropic" }]],
  ["items[0].component", [{ ...item("OUTPUT", 1n), component: undefined }]],
  ["items[1]", [item("DISK", 1n), item("DISK", 2n)]],
] as const)("prices with bad %s are refused by that name", (field, items) => {
  const ledger = memoryLedger();
  expect(fieldsOf(publish(ledger, items))).toEqual([field]);
  expect(ledger.batch(NOW_MS, (set) => set.priceVersions())).toEqual([]);
});

test("prices hold from their time on: not from the past, not before the version before, and not until then", () => {
  const ledger = memoryLedger();
  expect(fieldsOf(publish(ledger, [item("DISK", 1n)], NOW_MS - 6 * 60_000))).toEqual(["effective_time"]);
  publish(ledger, [item("DISK", 1n)], NOW_MS - 4 * 60_000);
  publish(ledger, [item("DISK", 2n)], NOW_MS + HOUR_MS);
  expect(fieldsOf(publish(ledger, [item("DISK", 3n)]))).toEqual(["effective_time"]);
  const versions = ledger.batch(NOW_MS, (set) => set.priceVersions());
  expect(activePriceVersion(versions, NOW_MS + HOUR_MS - 1)?.version).toBe(1);
  expect(activePriceVersion(versions, NOW_MS + HOUR_MS)?.version).toBe(2);
  expect(activePriceVersion(versions, NOW_MS - HOUR_MS)).toBeUndefined();
});
