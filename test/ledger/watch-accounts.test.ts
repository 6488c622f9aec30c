import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ManualClock, manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { AccountEventLog } from "../../src/ledger/account-event-ports.ts";
import {
  type AccountEventsTold,
  type WatchAccountsInput,
  watchAccounts,
} from "../../src/ledger/verbs/watch-accounts.ts";
import { openSqlite, type SqliteStore } from "../../src/store/sqlite/open-sqlite.ts";
import { testMutation } from "../support/mutation.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { NOW_MS } from "./fixtures.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let store: SqliteStore;
let clock: ManualClock;
let grants = 0;
const ended: AbortController[] = [];

beforeEach(async () => {
  directory = temporaryDirectory();
  clock = manualClock(NOW_MS);
  // Every grant of a nano-credit to a new account is told: it is low from the start.
  store = await openSqlite(join(directory.path, "plori.db"), clock, silentLog, 1_000n);
});
afterEach(async () => {
  for (const controller of ended.splice(0)) controller.abort();
  vi.useRealTimers();
  await store.close();
  directory.remove();
});

/** Causes one event of each of the accounts, which must be new, in this order. */
async function happen(...accounts: string[]): Promise<void> {
  for (const account of accounts) {
    grants += 1;
    const order = { account, grantId: `g${grants}`, amountNano: 1n, priority: 0, category: "PAID" } as const;
    const rest = { effectiveMs: undefined, expireMs: undefined };
    await store.ledger.grantCredits({ ...order, ...rest }, testMutation(account, "credits.granted"));
  }
}

/** A watcher. `next` gives what it is told next. */
function watch(
  input: Partial<WatchAccountsInput> = {},
  {
    role = "settings",
    log = store.accountEvents,
  }: { role?: "settings" | "admin"; log?: Partial<AccountEventLog> } = {},
) {
  const controller = new AbortController();
  ended.push(controller);
  const { accountEvents, accountEventNews } = store;
  const deps = { accountEvents: { ...accountEvents, ...log }, accountEventNews };
  const stream = watchAccounts(deps, { accounts: [], resumeToken: "", ...input }, { role }, controller.signal);
  return {
    async next(): Promise<AccountEventsTold | undefined> {
      const { value } = await stream.next();
      return value ?? undefined;
    },
    stop() {
      controller.abort();
      return stream.return();
    },
  };
}

const accountsOf = (told: AccountEventsTold | undefined) => told?.events.map(({ account }) => account);

/** The accounts of the next `count` events. */
async function hear(watcher: ReturnType<typeof watch>, count: number): Promise<string[]> {
  const heard: string[] = [];
  while (heard.length < count) heard.push(...(accountsOf(await watcher.next()) ?? ["ended"]));
  return heard;
}

test("the first message comes at once and tells of nothing that was before it", async () => {
  await happen("a1");
  const watcher = watch();
  expect(await watcher.next()).toMatchObject({ events: [], missed: false });
  await happen("a2", "a3");
  expect(await hear(watcher, 2)).toEqual(["a2", "a3"]);
});

test("named accounts alone are told of, and the reserved one to admins alone", async () => {
  const named = watch({ accounts: ["a2", "a4"] });
  const all = watch();
  const admin = watch({}, { role: "admin" });
  for (const watcher of [named, all, admin]) await watcher.next();
  await happen("a1", "a2", "platform", "a4");
  expect(await hear(named, 2)).toEqual(["a2", "a4"]);
  expect(await hear(all, 3)).toEqual(["a1", "a2", "a4"]);
  expect(await hear(admin, 4)).toEqual(["a1", "a2", "platform", "a4"]);
});

test("a token goes on without a gap and without a repetition, with another choice of accounts too", async () => {
  const first = watch();
  await first.next();
  await happen("a1", "a2");
  let token = "";
  for (let heard = 0; heard < 2; ) {
    const told = await first.next();
    heard += told?.events.length ?? 0;
    token = told?.resumeToken ?? "";
  }
  await first.stop();
  await happen("a3", "a4");
  const again = watch({ resumeToken: token });
  expect(await again.next()).toMatchObject({ events: [], missed: false, resumeToken: token });
  expect(await hear(again, 2)).toEqual(["a3", "a4"]);
  await happen("a5");
  expect(await hear(again, 1)).toEqual(["a5"]);
  const other = watch({ resumeToken: token, accounts: ["a4"] });
  await other.next();
  expect(await hear(other, 1)).toEqual(["a4"]);
});

test("whoever resumes after more events than one page holds hears all of them, those that happen meanwhile too", async () => {
  const first = watch();
  const { resumeToken = "" } = (await first.next()) ?? {};
  const accounts = Array.from({ length: 450 }, (_, i) => `b${i}`);
  await happen(...accounts);
  const again = watch({ resumeToken });
  await again.next();
  const page = await hear(again, 1);
  await happen("late");
  expect([...page, ...(await hear(again, 451 - page.length))]).toEqual([...accounts, "late"]);
});

test("a watcher that reads slowly hears everything all the same", async () => {
  const watcher = watch();
  await watcher.next();
  const accounts = Array.from({ length: 1_500 }, (_, i) => `c${i}`);
  await Promise.all(accounts.map((account) => happen(account)));
  expect((await hear(watcher, 1_500)).toSorted()).toEqual(accounts.toSorted());
  await happen("d1");
  expect(await hear(watcher, 1)).toEqual(["d1"]);
});

test("a token from before what is kept is told that something was missed, and goes on from there", async () => {
  const first = watch();
  await first.next();
  await happen("a1");
  const { resumeToken: old = "" } = (await first.next()) ?? {};
  await happen("a2", "a3");
  await store.accountEvents.prune(0, 1);
  const again = watch({ resumeToken: old });
  const told = await again.next();
  expect(told).toMatchObject({ events: [], missed: true });
  await happen("a4");
  expect(await hear(again, 1)).toEqual(["a4"]);
  const fresh = watch({ resumeToken: told?.resumeToken ?? "" });
  expect(await fresh.next()).toMatchObject({ missed: false });
});

test("a token from ahead, as after a restored backup, is told as missed", async () => {
  await happen("a1");
  const watcher = watch({ resumeToken: "7" });
  expect(await watcher.next()).toEqual({ events: [], missed: true, resumeToken: "1" });
});

test("what is forgotten while a watcher catches up is told as missed", async () => {
  const first = watch();
  const { resumeToken = "" } = (await first.next()) ?? {};
  await happen("a1", "a2");
  const after: AccountEventLog["after"] = async (seq, limit) => {
    // The first look, of no event, is at where the token stands.
    if (limit > 0) await store.accountEvents.prune(0, 1);
    return store.accountEvents.after(seq, limit);
  };
  const again = watch({ resumeToken }, { log: { after } });
  expect(await again.next()).toMatchObject({ missed: false });
  expect(await again.next()).toMatchObject({ events: [], missed: true });
});

test("whenever nothing was sent for five seconds there is a sign of life, with a token that skips what happened to others", async () => {
  const watcher = watch({ accounts: ["a1"] });
  const first = await watcher.next();
  await happen("b1", "b2");
  vi.useFakeTimers();
  const next = watcher.next();
  await vi.advanceTimersByTimeAsync(5_000);
  const beat = await next;
  expect(beat).toMatchObject({ events: [], missed: false });
  expect(beat?.resumeToken).not.toBe(first?.resumeToken);
  vi.useRealTimers();
  const after = vi.fn(store.accountEvents.after);
  const again = watch({ accounts: ["a1"], resumeToken: beat?.resumeToken ?? "" }, { log: { after } });
  await again.next();
  await happen("a1");
  expect(await hear(again, 1)).toEqual(["a1"]);
  for (const result of after.mock.results)
    expect(accountsOf({ events: await result.value, resumeToken: "", missed: false })).not.toContain("b1");
});

test("a watcher that left is forgotten", async () => {
  const watcher = watch({ accounts: ["a1"] });
  await watcher.next();
  const waiting = watcher.next();
  await watcher.stop();
  expect(await waiting).toBeUndefined();
  await happen("a1");
});

test("every wrong field is named at once", async () => {
  const watcher = watch({ accounts: ["", "platform"], resumeToken: "x" });
  await expect(watcher.next()).rejects.toMatchObject({
    refusal: {
      violations: [{ field: "accounts[0]" }, { field: "accounts[1]" }, { field: "resume_token" }],
    },
  });
  await expect(watch({ accounts: Array(501).fill("a") }).next()).rejects.toMatchObject({ reason: "FIELDS_INVALID" });
});
