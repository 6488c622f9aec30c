import { expect, test } from "vitest";
import { Bell } from "../../src/base/bell.ts";

const AN_HOUR_MS = 3_600_000;
const NEVER = new AbortController().signal;

test("a ring that came before anybody waited is not lost, and is told once", async () => {
  const bell = new Bell(0n);
  const listener = bell.listen("a");
  bell.ring("a", 1n);
  bell.ring("a", 2n);
  expect(await listener.next(AN_HOUR_MS, NEVER)).toBe(true);
  expect(await listener.next(1, NEVER)).toBe(false);
});

test("a ring wakes everybody who waits for its topic, and nobody else", async () => {
  const bell = new Bell(0n);
  const [first, second, other] = [bell.listen("a"), bell.listen("a"), bell.listen("b")];
  const woken = Promise.all([first.next(AN_HOUR_MS, NEVER), second.next(AN_HOUR_MS, NEVER)]);
  bell.ring("a", 1n);
  expect(await woken).toEqual([true, true]);
  expect(await other.next(1, NEVER)).toBe(false);
});

test("who leaves is not woken any more, and those who stay are", async () => {
  const bell = new Bell(0n);
  const [first, second] = [bell.listen("a"), bell.listen("a")];
  first.close();
  bell.ring("a", 1n);
  expect(await first.next(1, NEVER)).toBe(false);
  expect(await second.next(AN_HOUR_MS, NEVER)).toBe(true);
  second.close();
  const third = bell.listen("a");
  second.close();
  bell.ring("a", 2n);
  expect(await third.next(AN_HOUR_MS, NEVER)).toBe(true);
});

test("an abort ends a wait, before or while it lasts", async () => {
  const bell = new Bell(0n);
  const leaving = new AbortController();
  const waiting = bell.listen("a").next(AN_HOUR_MS, leaving.signal);
  leaving.abort();
  expect(await waiting).toBe(false);
  expect(await bell.listen("a").next(AN_HOUR_MS, leaving.signal)).toBe(false);
});

test("the newest number never goes back", () => {
  const bell = new Bell(7n);
  bell.ring("a", 9n);
  bell.ring("b", 8n);
  expect(bell.newest).toBe(9n);
});

test("a mark changes whenever its topic rings, also when more topics rang than are remembered", () => {
  const bell = new Bell(0n);
  const never = bell.mark("a");
  bell.ring("b", 1n);
  expect(bell.mark("a")).toBe(never);
  bell.ring("a", 2n);
  const once = bell.mark("a");
  expect(once).not.toBe(never);
  bell.ring("a", 3n);
  const twice = bell.mark("a");
  expect(twice).not.toBe(once);
  for (let n = 0; n < 20_000; n += 1) bell.ring(`t${n}`, 4n);
  // It is forgotten by now: that looks like a ring, never like none.
  expect([never, once, twice]).not.toContain(bell.mark("a"));
});
