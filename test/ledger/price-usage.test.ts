import fc from "fast-check";
import { expect, test } from "vitest";
import { PriceBook, type PriceItem } from "../../src/ledger/price-book.ts";
import { priceUsage } from "../../src/ledger/price-usage.ts";
import { COMPONENTS } from "../../src/ledger/rows.ts";
import { worstCase } from "../../src/ledger/worst-case.ts";
import { roundHalfEven } from "./invariants.ts";

const MODEL = { provider: "openai", upstreamModel: "m", canonicalModel: "vendor/m" } as const;

function bookOf(items: readonly Partial<PriceItem>[]): PriceBook {
  const version = { version: 1, contentHash: "", effectiveMs: 0, publishMs: 0, itemCount: items.length };
  const full = items.map(
    (item): PriceItem => ({
      component: "INPUT_UNCACHED",
      provider: "openai",
      model: "m",
      minInputTokens: 0n,
      pricePico: 0n,
      unitCount: 1n,
      ...item,
    }),
  );
  return new PriceBook(version, full);
}

test.each([
  // pico × tokens / 1000, halves to even
  [1n, 500n, 0n],
  [1n, 1_500n, 2n],
  [1n, 2_500n, 2n],
  [1n, 2_501n, 3n],
  [3n, 499n, 1n],
  [0n, 10n ** 15n, 0n],
])("%s tokens at %s pico round half to even to %s nano", (tokens, pricePico, nano) => {
  const priced = priceUsage({ INPUT_UNCACHED: tokens }, bookOf([{ pricePico }]).modelPrices(MODEL));
  expect(priced.totalNano).toBe(nano);
});

test("a price below one pico a unit keeps its worth: 0.1 credit for a GiB-month of disk", () => {
  const book = bookOf([
    { component: "DISK", provider: "", model: "", pricePico: 100_000_000_000n, unitCount: 2_783_138_807_808_000n },
  ]);
  // 1 GiB for 30 days.
  const priced = priceUsage({ DISK: 1_073_741_824n * 2_592_000n }, book.meterPrices());
  expect(priced.totalNano).toBe(100_000_000n);
});

test("the total of input tokens decides the tier of every component", () => {
  const book = bookOf([
    { pricePico: 1_000n },
    { pricePico: 2_000n, minInputTokens: 200n },
    { component: "OUTPUT", pricePico: 10_000n },
    { component: "OUTPUT", pricePico: 30_000n, minInputTokens: 200n },
    { component: "CACHE_READ", pricePico: 100_000n },
  ]);
  const prices = book.modelPrices(MODEL);
  expect(priceUsage({ INPUT_UNCACHED: 199n, OUTPUT: 1n }, prices).totalNano).toBe(199n + 10n);
  expect(priceUsage({ INPUT_UNCACHED: 100n, CACHE_READ: 100n, OUTPUT: 1n }, prices).totalNano).toBe(
    200n + 10_000n + 30n,
  );
});

test("reasoning costs what output costs unless it is priced apart, and an unpriced part is named, never taken for free", () => {
  const output = { component: "OUTPUT", pricePico: 5_000n } as const;
  expect(priceUsage({ REASONING: 2n }, bookOf([output]).modelPrices(MODEL)).totalNano).toBe(10n);
  const apart = bookOf([output, { component: "REASONING", pricePico: 7_000n }]);
  expect(priceUsage({ REASONING: 2n }, apart.modelPrices(MODEL)).totalNano).toBe(14n);
  const priced = priceUsage({ INPUT_UNCACHED: 1n, CACHE_READ: 3n }, bookOf([{ pricePico: 1_000n }]).modelPrices(MODEL));
  expect(priced.unpriced).toEqual(["CACHE_READ"]);
  expect(priced.lines[1]).toMatchObject({ component: "CACHE_READ", quantity: 3n, unitCount: 0n, listNano: undefined });
});

test("a provider's own price goes before the canonical model's", () => {
  const book = bookOf([
    { provider: "", model: "vendor/m", pricePico: 1_000n },
    { provider: "", model: "vendor/m", component: "OUTPUT", pricePico: 2_000n },
    { pricePico: 9_000n },
  ]);
  expect(priceUsage({ INPUT_UNCACHED: 1n, OUTPUT: 1n }, book.modelPrices(MODEL)).totalNano).toBe(11n);
  expect(book.modelPrices({ ...MODEL, provider: "groq", canonicalModel: "" })).toEqual({});
});

const quantity = fc.bigInt({ min: 0n, max: 10n ** 15n });
const priced = fc.record({
  pricePico: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  unitCount: fc.bigInt({ min: 1n, max: 10n ** 12n }),
});

test("every line is rounded once, and the lines sum to the total", () => {
  fc.assert(
    fc.property(fc.tuple(quantity, quantity), fc.tuple(priced, priced), ([input, output], [a, b]) => {
      const book = bookOf([a, { component: "OUTPUT", ...b }]);
      const { totalNano } = priceUsage({ INPUT_UNCACHED: input, OUTPUT: output }, book.modelPrices(MODEL));
      const line = (tokens: bigint, price: typeof a): bigint =>
        roundHalfEven(tokens * price.pricePico, price.unitCount * 1_000n);
      expect(totalNano).toBe(line(input, a) + line(output, b));
    }),
  );
});

test("more of anything never costs less", () => {
  fc.assert(
    fc.property(quantity, quantity, priced, (some, more, price) => {
      const prices = bookOf([price]).modelPrices(MODEL);
      const cost = (tokens: bigint): bigint => priceUsage({ INPUT_UNCACHED: tokens }, prices).totalNano;
      expect(cost(some + more) >= cost(some)).toBe(true);
    }),
  );
});

test("no call of at most the assumed tokens costs more than its worst case, whichever components and tiers it meets", () => {
  const small = fc.bigInt({ min: 0n, max: 400n });
  fc.assert(
    fc.property(
      fc.array(priced, { minLength: 8, maxLength: 8 }),
      fc.tuple(small, small, small, small),
      ([i0, i1, w0, w1, o0, o1, r0, r1], [plain, written, output, reasoning]) => {
        const tiers = (component: PriceItem["component"], base: typeof i0, long: typeof i0) => [
          { component, ...base },
          { component, ...long, minInputTokens: 200n },
        ];
        const prices = bookOf([
          ...tiers("INPUT_UNCACHED", i0, i1),
          ...tiers("CACHE_WRITE", w0, w1),
          ...tiers("OUTPUT", o0, o1),
          ...tiers("REASONING", r0, r1),
        ]).modelPrices(MODEL);
        const worst = worstCase(prices, plain + written);
        const used = { INPUT_UNCACHED: plain, CACHE_WRITE: written, OUTPUT: output, REASONING: reasoning };
        // Each line is rounded by itself, so that two lines may exceed their common ceiling by one.
        const slack = 2n;
        expect(
          worst !== undefined && priceUsage(used, prices).totalNano <= worst.totalNano(output + reasoning) + slack,
        ).toBe(true);
      },
    ),
  );
});

test("the tokens that an amount pays for cost no more than it, and one more would", () => {
  fc.assert(
    fc.property(
      priced,
      priced,
      fc.bigInt({ min: 0n, max: 10n ** 18n }),
      fc.bigInt({ min: 0n, max: 10_000n }),
      (a, b, amount, input) => {
        const worst = worstCase(bookOf([a, { component: "OUTPUT", ...b }]).modelPrices(MODEL), input);
        const tokens = worst?.outputTokensFor(amount);
        if (worst === undefined || tokens === undefined) return;
        if (tokens >= 0n) expect(worst.totalNano(tokens) <= amount).toBe(true);
        expect(worst.totalNano(tokens + 1n) > amount).toBe(true);
      },
    ),
  );
});

test("a model without a price for input or for output has no worst case", () => {
  expect(worstCase(bookOf([{ pricePico: 1n }]).modelPrices(MODEL), 1n)).toBeUndefined();
  expect(worstCase(bookOf([{ component: "OUTPUT" }]).modelPrices(MODEL), 1n)).toBeUndefined();
  expect(COMPONENTS.length).toBe(8);
});
