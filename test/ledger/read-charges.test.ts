import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Grouping } from "../../src/ledger/summarize-usage.ts";
import { exportCharges } from "../../src/ledger/verbs/export-charges.ts";
import { listCharges } from "../../src/ledger/verbs/read-account.ts";
import { summarizeUsage } from "../../src/ledger/verbs/summarize-usage.ts";
import { openSqlite, type SqliteStore } from "../../src/store/sqlite/open-sqlite.ts";
import { testMutation } from "../support/mutation.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { item, NOW_MS, RECORDER, recordOf } from "./fixtures.ts";

const HOUR_MS = 3_600_000;
let directory: ReturnType<typeof temporaryDirectory>;
let store: SqliteStore;
let clock: ManualClock;

beforeEach(async () => {
  directory = temporaryDirectory();
  clock = manualClock(NOW_MS);
  store = await openSqlite(join(directory.path, "plori.db"), clock, silentLog);
  const items = [item("DISK", 1_000n), item("VCPU", 1_000n), item("MEMORY", 1_000n)];
  await store.ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
});
afterEach(async () => {
  await store.close();
  directory.remove();
});

/** Every third record is compute, each hour has two, agents alternate. */
async function record(count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, i) =>
    recordOf(
      `u${i}`,
      i % 3 === 0
        ? { kind: "COMPUTE", vcpuMilliseconds: 2n, memoryMibMilliseconds: 1n }
        : { kind: "DISK", byteSeconds: 5n },
      {
        agent: `g${i % 2}`,
        labels: { team: i % 5 === 0 ? "x" : "y" },
        occurMs: NOW_MS - (Math.floor(i / 2) % 800) * HOUR_MS,
      },
    ),
  );
  for (let at = 0; at < count; at += 500)
    await store.ledger.recordUsage(records.slice(at, at + 500), RECORDER, testMutation("a1", "usage.recorded"));
}

/** Every charge that the filter finds, page by page, and how many pages that took. */
async function listAll(filter: string, pageSize: number): Promise<{ sequences: number[]; pages: number }> {
  const sequences: number[] = [];
  let pages = 0;
  for (let pageToken = ""; pages === 0 || pageToken !== ""; pages += 1) {
    const page = await listCharges(store.ledger, { account: "a1", pageSize, pageToken, filter });
    sequences.push(...page.charges.map((charge) => charge.sequence));
    pageToken = page.nextPageToken;
  }
  return { sequences, pages };
}

test("a filtered list gives every charge that meets it, newest first, whatever the page size", async () => {
  await record(60);
  const where = (meets: (index: number) => boolean): number[] =>
    Array.from({ length: 60 }, (_, i) => i)
      .filter(meets)
      .map((i) => i + 1)
      .reverse();
  const hour = new Date(NOW_MS - 3 * HOUR_MS).toISOString();
  for (const size of [1, 7, 100]) {
    expect((await listAll("kind = COMPUTE", size)).sequences).toEqual(where((i) => i % 3 === 0));
    const both = await listAll(`agent = g1 AND labels.team = x AND kind = DISK`, size);
    expect(both.sequences).toEqual(where((i) => i % 2 === 1 && i % 5 === 0 && i % 3 !== 0));
    expect((await listAll(`occur_time > ${hour}`, size)).sequences).toEqual(where((i) => Math.floor(i / 2) < 3));
    expect((await listAll("provider = openai", size)).sequences).toEqual([]);
  }
});

test("a page looks at a bounded number of charges: few that meet the filter come over several pages", async () => {
  await record(12_000);
  const found = await listAll("labels.none = x", 50);
  expect(found).toEqual({ sequences: [], pages: 3 });
});

test("a page token serves the filter that it was given for", async () => {
  await record(10);
  const first = await listCharges(store.ledger, { account: "a1", pageSize: 1, pageToken: "", filter: "kind = DISK" });
  const { nextPageToken: pageToken } = first;
  for (const filter of ["", "kind = COMPUTE"])
    await expect(listCharges(store.ledger, { account: "a1", pageSize: 1, pageToken, filter })).rejects.toMatchObject({
      reason: "FIELDS_INVALID",
    });
  await expect(
    listCharges(store.ledger, { account: "", pageSize: -1, pageToken: "", filter: "nonsense" }),
  ).rejects.toMatchObject({
    refusal: { violations: ["account", "page_size", "filter"].map((field) => expect.objectContaining({ field })) },
  });
});

test("a summary is the sum of the charges, by any grouping, and a charge that was undone is not in it", async () => {
  await record(60);
  await store.ledger.reverseCharge("a1", 2, testMutation("a1", "charge.reversed"));
  const sum = (groupBy: readonly Grouping[], startMs?: number, endMs?: number) =>
    summarizeUsage({ ledger: store.ledger, clock }, { account: "a1", startMs, endMs, groupBy });
  expect(await sum([])).toMatchObject([{ charges: 59, amountNano: 39n * 5n + 20n * 3n, startMs: undefined }]);
  const kinds = await sum(["KIND", "AGENT"]);
  expect(kinds.map(({ kind, agent, charges }) => [kind, agent, charges])).toEqual([
    ["COMPUTE", "g0", 10],
    ["COMPUTE", "g1", 10],
    ["DISK", "g0", 20],
    ["DISK", "g1", 19],
  ]);
  expect(kinds[0]?.quantities).toMatchObject({ VCPU: 20n, MEMORY: 10n, DISK: 0n });
  const hours = await sum(["HOUR"]);
  expect(hours.length).toBe(30);
  expect(hours.reduce((total, one) => total + one.amountNano, 0n)).toBe(39n * 5n + 20n * 3n);
  const days = await sum(["DAY"]);
  expect(days.every(({ startMs = 1 }) => startMs % 86_400_000 === 0)).toBe(true);
  expect(await sum([], NOW_MS - 2 * HOUR_MS, NOW_MS - HOUR_MS)).toMatchObject([{ charges: 2 }]);
});

test("a summary refuses what it cannot be, all at once", async () => {
  const input = { account: "", startMs: 0, endMs: NOW_MS, groupBy: ["KIND", "KIND", undefined] as const };
  await expect(summarizeUsage({ ledger: store.ledger, clock }, input)).rejects.toMatchObject({
    refusal: {
      violations: ["account", "end_time", "group_by", "group_by"].map((field) => expect.objectContaining({ field })),
    },
  });
});

test("an export gives every charge once, oldest first, goes on from any sequence, and ends soon after its caller left", async () => {
  await record(450);
  const from = async (afterSequence: bigint, signal = new AbortController().signal): Promise<number[]> => {
    const pages = exportCharges({ ledger: store.ledger }, { account: "a1", afterSequence }, signal);
    return (await Array.fromAsync(pages)).flat().map((charge) => charge.sequence);
  };
  const all = Array.from({ length: 450 }, (_, i) => i + 1);
  expect(await from(0n)).toEqual(all);
  expect(await from(399n)).toEqual(all.slice(399));
  expect(await from(450n)).toEqual([]);
  const leaving = new AbortController();
  const pages = exportCharges({ ledger: store.ledger }, { account: "a1", afterSequence: 0n }, leaving.signal);
  expect((await pages.next()).done).toBe(false);
  leaving.abort();
  expect((await pages.next()).done).toBe(true);
  await expect(from(-1n)).rejects.toMatchObject({ reason: "FIELDS_INVALID" });
});
