import fc from "fast-check";
import { expect, test } from "vitest";
import { RecentCache } from "../../src/base/recent-cache.ts";

test("what is used between two trims stays, however much else passes through, and there are never more entries than the most", () => {
  const cache = new RecentCache<number>(100);
  cache.set("hot", 1);
  let kept = 0;
  for (let i = 0; i < 10_000; i += 1) {
    cache.set(`cold-${i}`, i);
    cache.trim();
    expect(cache.get("hot")).toBe(1);
  }
  for (let i = 0; i < 10_000; i += 1) if (cache.get(`cold-${i}`) !== undefined) kept += 1;
  expect(kept).toBeLessThanOrEqual(100);
});

test("what was deleted is not found again, whichever generation it was in", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom("set", "get", "delete", "trim"), fc.constantFrom("a", "b", "c", "d")), {
        maxLength: 60,
      }),
      (steps) => {
        const cache = new RecentCache<string>(4);
        const deleted = new Set<string>();
        for (const [step, key] of steps) {
          if (step === "set") {
            cache.set(key, key);
            deleted.delete(key);
          } else if (step === "delete") {
            cache.delete(key);
            deleted.add(key);
          } else if (step === "trim") cache.trim();
          else cache.get(key);
          for (const gone of deleted) expect(cache.get(gone)).toBeUndefined();
        }
      },
    ),
  );
});
