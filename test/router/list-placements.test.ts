import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { type ListPlacementsInput, listPlacements } from "../../src/router/list-placements.ts";
import { createMemoryPlacementStore } from "../support/memory-placement-store.ts";
import { testMutation } from "../support/mutation.ts";

const NOW_MS = 1_790_000_000_000;
const EVERYTHING: ListPlacementsInput = {
  account: "",
  host: "",
  agent: "",
  showExpired: false,
  pageSize: 0,
  pageToken: "",
};

async function openScheduler(count: number) {
  const { store } = createMemoryPlacementStore();
  const clock = manualClock(NOW_MS);
  const placements = Array.from({ length: count }, (_none, index) => ({
    account: `a${index % 2}`,
    agent: `agent-${String(index).padStart(4, "0")}`,
    host: `host-${index % 3}`,
    generation: 1n,
    expireMs: NOW_MS + (index % 5) * 1_000,
  }));
  await store.place(placements, 0n, testMutation("", "agents.placed"));
  const list = (changes: Partial<ListPlacementsInput> = {}) =>
    listPlacements({ placements: store, clock }, { ...EVERYTHING, ...changes });
  return { list, clock };
}

test("pages follow one another without a gap, by filter, and leave out what has ended unless it is asked for", async () => {
  const { list, clock } = await openScheduler(60);
  for (const [filter, showExpired, expected] of [
    [{}, true, 60],
    [{}, false, 48],
    [{ host: "host-1" }, true, 20],
    [{ account: "a1", host: "host-1" }, true, 10],
    [{ account: "a0", agent: "agent-0002" }, false, 1],
  ] as const) {
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await list({ ...filter, showExpired, pageSize: 7, pageToken });
      expect(page.placements.length).toBeLessThanOrEqual(7);
      seen.push(...page.placements.map(({ account, agent }) => `${account}/${agent}`));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toEqual([...new Set(seen)].sort());
    expect(seen).toHaveLength(expected);
  }
  clock.advance(5_000);
  expect((await list()).placements).toEqual([]);
});

test("a page holds 100 unless told otherwise, and never more than 500", async () => {
  const { list } = await openScheduler(600);
  expect((await list({ showExpired: true })).placements).toHaveLength(100);
  expect((await list({ showExpired: true, pageSize: 10_000 })).placements).toHaveLength(500);
});

test("every wrong field is named, and a token serves only the fields that it was given for", async () => {
  const { list } = await openScheduler(60);
  const { nextPageToken: pageToken } = await list({ host: "host-1", pageSize: 1 });
  expect(pageToken).not.toBe("");
  await list({ host: "host-1", pageToken });
  for (const changes of [{}, { host: "host-2" }, { host: "host-1", showExpired: true }, { account: "host-1" }]) {
    const refused = { refusal: { violations: [{ field: "page_token" }] } };
    await expect(list({ ...changes, pageToken })).rejects.toMatchObject(refused);
  }
  await expect(list({ account: "a b", host: "/", agent: "\n", pageSize: -1, pageToken: "x" })).rejects.toMatchObject({
    reason: "FIELDS_INVALID",
    refusal: {
      violations: ["account", "host", "agent", "page_size", "page_token"].map((field) => ({ field })),
    },
  });
});
