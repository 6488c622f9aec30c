import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { createIdMinter } from "../../src/base/ids.ts";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("ids are UUIDv7 and strictly increasing, also in bursts and when the wall clock steps back", () => {
  const clock = manualClock(1_700_000_000_000);
  const mint = createIdMinter(clock);
  const ids: string[] = [];
  for (let i = 0; i < 20_000; i += 1) ids.push(mint());
  clock.stepWallTo(1_600_000_000_000);
  for (let i = 0; i < 10; i += 1) ids.push(mint());
  clock.stepWallTo(1_800_000_000_000);
  ids.push(mint());
  for (const id of ids) expect(id).toMatch(UUID_V7);
  for (let i = 1; i < ids.length; i += 1) expect((ids[i] as string) > (ids[i - 1] as string)).toBe(true);
});
