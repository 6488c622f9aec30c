import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Grouping } from "../../src/ledger/summarize-usage.ts";
import { type ExportChargesInput, exportCharges } from "../../src/ledger/verbs/export-charges.ts";
import { listCharges } from "../../src/ledger/verbs/read-account.ts";
import { summarizeUsage } from "../../src/ledger/verbs/summarize-usage.ts";
import { openSqlite, type SqliteStore } from "../../src/store/sqlite/open-sqlite.ts";
import { testMutation } from "../support/mutation.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { item, NOW_MS, RECORDER, recordOf } from "./fixtures.ts";

const HOUR_MS = 3_600_000;
const WHOLE = { account: "a1", afterAccount: "", afterSequence: 0n, startMs: undefined, endMs: undefined };
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
    const pages = exportCharges({ ledger: store.ledger, clock }, { ...WHOLE, afterSequence }, signal);
    return (await Array.fromAsync(pages)).flat().map((charge) => charge.sequence);
  };
  const all = Array.from({ length: 450 }, (_, i) => i + 1);
  expect(await from(0n)).toEqual(all);
  expect(await from(399n)).toEqual(all.slice(399));
  expect(await from(450n)).toEqual([]);
  const leaving = new AbortController();
  const pages = exportCharges({ ledger: store.ledger, clock }, WHOLE, leaving.signal);
  expect((await pages.next()).done).toBe(false);
  leaving.abort();
  expect((await pages.next()).done).toBe(true);
  await expect(from(-1n)).rejects.toMatchObject({ reason: "FIELDS_INVALID" });
});

/** What an export gives, as "account/sequence". */
async function exported(input: Partial<ExportChargesInput>): Promise<string[]> {
  const { signal } = new AbortController();
  const pages = exportCharges({ ledger: store.ledger, clock }, { ...WHOLE, ...input }, signal);
  return (await Array.fromAsync(pages)).flat().map(({ account, sequence }) => `${account}/${sequence}`);
}

test("exports of adjoining times hold every charge of every account exactly once, in a fixed order, and go on from any of them", async () => {
  const expected: { name: string; recordMs: number }[] = [];
  for (let turn = 0; turn < 4; turn += 1) {
    clock.advance(HOUR_MS);
    for (const account of ["a2", "a1", "a10"]) {
      const records = Array.from({ length: 3 }, (_, i) =>
        recordOf(`${turn}-${i}`, { kind: "DISK", byteSeconds: 1n }, { account, occurMs: NOW_MS - i }),
      );
      await store.ledger.recordUsage(records, RECORDER, testMutation(account, "usage.recorded"));
      for (let i = 1; i <= 3; i += 1) expected.push({ name: `${account}/${turn * 3 + i}`, recordMs: clock.nowMs() });
    }
  }
  const order = (name: string): [string, number] => [name.split("/")[0] ?? "", Number(name.split("/")[1])];
  const between = (startMs: number, endMs: number): string[] =>
    expected
      .filter(({ recordMs }) => recordMs >= startMs && recordMs < endMs)
      .map(({ name }) => name)
      .toSorted((a, b) =>
        order(a)[0] === order(b)[0] ? order(a)[1] - order(b)[1] : order(a)[0] < order(b)[0] ? -1 : 1,
      );
  clock.advance(1);
  const end = clock.nowMs();
  const every = await exported({ account: "", endMs: end });
  expect(every).toEqual(between(0, end));
  for (const cut of [NOW_MS, NOW_MS + 2 * HOUR_MS, NOW_MS + 2 * HOUR_MS + 1, end]) {
    const before = await exported({ account: "", endMs: cut });
    const after = cut === end ? [] : await exported({ account: "", startMs: cut, endMs: end });
    expect([before, after]).toEqual([between(0, cut), between(cut, end)]);
  }
  for (const [at, name] of every.entries()) {
    const [afterAccount, sequence] = order(name);
    const rest = await exported({ account: "", afterAccount, afterSequence: BigInt(sequence), endMs: end });
    expect(rest).toEqual(every.slice(at + 1));
  }
  expect(await exported({ account: "a10", startMs: NOW_MS + 4 * HOUR_MS })).toEqual(["a10/10", "a10/11", "a10/12"]);
});

test.each([
  [{ account: "" }, ["end_time"]],
  [{ account: "", afterSequence: 3n, endMs: 1 }, ["after_sequence"]],
  [{ afterAccount: "a2" }, ["after_account"]],
  [{ endMs: NOW_MS + 1 }, ["end_time"]],
  [{ startMs: 5, endMs: 5 }, ["start_time"]],
  [
    { account: "a/b", afterAccount: "a b", afterSequence: -1n },
    ["account", "after_account", "after_account", "after_sequence"],
  ],
] as const)("an export refuses what it cannot be, all at once: %o", async (input, fields) => {
  await expect(exported(input)).rejects.toMatchObject({
    refusal: { violations: fields.map((field) => expect.objectContaining({ field })) },
  });
});
