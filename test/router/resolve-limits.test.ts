import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError } from "../../src/base/errors.ts";
import { createResolveLimits } from "../../src/router/resolve-limits.ts";

const clock = manualClock(0);

/** How often in so many tries something is allowed; every refusal must be RATE_LIMITED with a wait, and of this scope. */
function allowed(tries: number, scope: string, take: () => void): number {
  let count = 0;
  for (let i = 0; i < tries; i += 1) {
    try {
      take();
      count += 1;
    } catch (error) {
      if (!(error instanceof PloriError)) throw error;
      expect(error).toMatchObject({ reason: "RATE_LIMITED", refusal: { metadata: { scope } } });
      expect(error.retryAfterMs).toBeGreaterThanOrEqual(1);
    }
  }
  return count;
}

test("a host gets twice its rate at once, and what another host asks for is none of its business", () => {
  const limits = createResolveLimits(clock, { perHost: 10, perAccount: 1_000 });
  expect(allowed(100, "host", () => limits.takeHost("host-1"))).toBe(20);
  expect(allowed(100, "host", () => limits.takeHost("host-2"))).toBe(20);
  clock.advance(500);
  expect(allowed(100, "host", () => limits.takeHost("host-1"))).toBe(5);
});

test("a host that floods an account leaves each of its other hosts a tenth of the account's rate", () => {
  const limits = createResolveLimits(clock, { perHost: 10_000, perAccount: 50 });
  expect(allowed(10_000, "account", () => limits.takeAccount("a1", "host-1"))).toBe(100 + 10);
  expect(allowed(100, "account", () => limits.takeAccount("a1", "host-2"))).toBe(10);
  for (let second = 0; second < 5; second += 1) {
    clock.advance(1_000);
    expect(allowed(10_000, "account", () => limits.takeAccount("a1", "host-1"))).toBe(50 + 5);
    expect(allowed(100, "account", () => limits.takeAccount("a1", "host-2"))).toBe(5);
  }
  expect(allowed(100, "account", () => limits.takeAccount("a2", "host-1"))).toBe(100);
});

test("whoever waits as long as told is served", () => {
  const limits = createResolveLimits(clock, { perHost: 3, perAccount: 7 });
  for (let i = 0; i < 50; i += 1) {
    try {
      limits.takeHost("host-1");
    } catch (error) {
      if (!(error instanceof PloriError)) throw error;
      clock.advance(error.retryAfterMs ?? 0);
      limits.takeHost("host-1");
    }
    try {
      limits.takeAccount("a1", "host-1");
    } catch (error) {
      if (!(error instanceof PloriError)) throw error;
      clock.advance(error.retryAfterMs ?? 0);
      limits.takeAccount("a1", "host-1");
    }
  }
});
