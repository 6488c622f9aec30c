import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { createTokenBuckets } from "../../src/base/token-buckets.ts";

function open(perSecond: number, burst: number) {
  const clock = manualClock(0);
  return { clock, buckets: createTokenBuckets(clock, { perSecond, burst }) };
}

test("a bucket gives its burst at once, then a token whenever one has come, and says how long that takes", () => {
  const { clock, buckets } = open(10, 3);
  expect([1, 2, 3].map(() => buckets.take("a"))).toEqual([0, 0, 0]);
  expect(buckets.take("a")).toBeCloseTo(100);
  // A refusal costs nothing: the wait does not grow.
  expect(buckets.take("a")).toBeCloseTo(100);
  clock.advance(40);
  expect(buckets.take("a")).toBeCloseTo(60);
  clock.advance(60);
  expect(buckets.take("a")).toBe(0);
  expect(buckets.take("a")).toBeCloseTo(100);
  expect(buckets.take("b")).toBe(0);
});

test("after any wait a bucket holds its burst and no more", () => {
  const { clock, buckets } = open(10, 3);
  buckets.take("a");
  clock.advance(3_600_000);
  expect([1, 2, 3, 4].map(() => buckets.take("a") === 0)).toEqual([true, true, true, false]);
});

test("the wall clock means nothing to it", () => {
  const { clock, buckets } = open(1, 1);
  buckets.take("a");
  clock.stepWallTo(10_000_000);
  expect(buckets.take("a")).toBeGreaterThan(0);
});

test("whoever waits as told gets a token, and no schedule gets more than the burst and the rate allow", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50_000 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.integer({ min: 0, max: 2_000 })), { maxLength: 200 }),
      (perSecond, burst, steps) => {
        const { clock, buckets } = open(perSecond, burst);
        const taken: Record<string, number> = { a: 0, b: 0 };
        for (const [name, waitMs] of steps) {
          clock.advance(waitMs / perSecond);
          const mustWaitMs = buckets.take(name);
          if (mustWaitMs > 0) {
            clock.advance(mustWaitMs);
            expect(buckets.take(name)).toBe(0);
          }
          taken[name] = (taken[name] ?? 0) + 1;
          const most = burst + (clock.monotonicMs() / 1000) * perSecond;
          for (const count of Object.values(taken)) expect(count).toBeLessThanOrEqual(most * 1.002 + 0.001);
        }
      },
    ),
  );
});

test("buckets that are full again are forgotten, and one that is not never is", () => {
  const { clock, buckets } = open(10, 20);
  for (let second = 0; second < 100; second += 1) {
    for (let i = 0; i < 100; i += 1) buckets.take(`visitor-${second}-${i}`);
    for (let i = 0; i < 30; i += 1) buckets.take("busy");
    clock.advance(1_000);
    expect(buckets.size).toBeLessThanOrEqual(4 * 101);
  }
  // It was emptied every second and got ten tokens since.
  expect(Array.from({ length: 30 }, () => buckets.take("busy")).filter((waitMs) => waitMs === 0)).toHaveLength(10);
});
