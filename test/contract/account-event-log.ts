import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ManualClock } from "../../src/base/clock.ts";
import type { KeyStore } from "../../src/keyvault/ports.ts";
import type { StoredAccountEvent } from "../../src/ledger/account-event.ts";
import {
  type AccountEventListener,
  type AccountEventLog,
  type AccountEventNews,
  EVERY_ACCOUNT,
} from "../../src/ledger/account-event-ports.ts";
import type { LedgerStore } from "../../src/ledger/ports.ts";
import { HOST, item, NOW_MS, RECORDER, recordOf } from "../ledger/fixtures.ts";
import { testMutation } from "../support/mutation.ts";
import { newKey } from "./key-store.ts";

/** Stores on one database. */
export interface EventStores {
  readonly accountEvents: AccountEventLog;
  readonly accountEventNews: AccountEventNews;
  readonly ledger: LedgerStore;
  readonly keys: KeyStore;
}

/** Stores that were opened empty, with a line of 1,000 nano-credits below which credits are low; and the clock that they go by, at `NOW_MS`. */
export interface OpenEvents extends EventStores {
  readonly clock: ManualClock;
  /** Closes everything and opens it again on the same data. */
  reopen(): Promise<EventStores>;
  close(): Promise<void>;
}

/** What every log of events about accounts must keep, whatever engine is behind it. */
export function accountEventLogContract(name: string, open: () => Promise<OpenEvents>): void {
  describe(`account event log: ${name}`, () => {
    const { signal } = new AbortController();
    let opened: OpenEvents;
    let stores: EventStores;
    let grants: number;

    beforeEach(async () => {
      opened = await open();
      stores = opened;
      grants = 0;
      const items = [item("DISK", 1_000n), item("INPUT_UNCACHED", 1_000n), item("OUTPUT", 1_000n)];
      await opened.ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
    });
    afterEach(() => opened.close());

    function give(amountNano: bigint, rest: { account?: string; expireMs?: number } = {}) {
      grants += 1;
      const { account = "a1", expireMs } = rest;
      const order = { account, grantId: `g${grants}`, amountNano, priority: 0, category: "PAID" } as const;
      const mutation = testMutation(account, "credits.granted");
      return stores.ledger.grantCredits({ ...order, effectiveMs: undefined, expireMs }, mutation);
    }
    /** Spends so many nano-credits. */
    const spend = (nano: bigint, usageId: string, account = "a1") =>
      stores.ledger.recordUsage(
        [recordOf(usageId, { kind: "DISK", byteSeconds: nano }, { account, occurMs: opened.clock.nowMs() })],
        RECORDER,
        testMutation(account, "usage.recorded"),
      );
    async function eventsAfter(seq: bigint, limit = 100): Promise<readonly StoredAccountEvent[]> {
      const found = await stores.accountEvents.after(seq, limit);
      if (found === "forgotten") throw new Error("events are forgotten");
      return found;
    }
    const kinds = async (): Promise<string[]> => (await eventsAfter(0n)).map(({ kind }) => kind);
    /** Whether the listener was told of something. */
    const rang = (listener: AccountEventListener): Promise<boolean> => listener.next(0, signal);

    test("an empty log stands before its first event", async () => {
      expect(await stores.accountEvents.newest()).toBe(0n);
      expect(stores.accountEventNews.newest).toBe(0n);
      expect(await eventsAfter(0n)).toEqual([]);
    });

    test("credits that run low, out and come back are kept once each, with how they stand", async () => {
      await give(3_000n);
      expect(await eventsAfter(0n)).toEqual([]);
      await spend(2_001n, "u1");
      const low = { seq: 1n, timeMs: NOW_MS, kind: "CREDITS_LOW", account: "a1" };
      expect(await eventsAfter(0n)).toEqual([{ ...low, availableNano: 999n, heldNano: 0n, overdraftNano: 0n }]);
      await spend(10n, "u2");
      await spend(1_000n, "u3");
      await spend(10n, "u4");
      await give(5_000n);
      const events = await eventsAfter(0n);
      expect(events).toMatchObject([
        { kind: "CREDITS_LOW" },
        { kind: "CREDITS_EXHAUSTED", availableNano: 0n, overdraftNano: 11n },
        { kind: "CREDITS_RESTORED", availableNano: 4_979n, overdraftNano: 0n },
      ]);
      expect(await eventsAfter(1n, 1)).toEqual([events[1]]);
      expect(await stores.accountEvents.newest()).toBe(3n);
    });

    test("what time takes is told when it is booked", async () => {
      await give(5_000n, { expireMs: NOW_MS + 1_000 });
      opened.clock.advance(1_000);
      await stores.ledger.sweepHolds();
      expect(await eventsAfter(0n)).toMatchObject([
        { kind: "CREDITS_EXHAUSTED", timeMs: NOW_MS + 1_000, availableNano: 0n },
      ]);
    });

    test("an account that never had anything did not run out of it, until it owes something", async () => {
      await spend(0n, "u1");
      expect(await kinds()).toEqual([]);
      await spend(5n, "u2");
      expect(await kinds()).toEqual(["CREDITS_EXHAUSTED"]);
    });

    test("a repeated record tells nothing again", async () => {
      await give(100n);
      await spend(100n, "u1");
      await spend(100n, "u1");
      expect(await kinds()).toEqual(["CREDITS_LOW", "CREDITS_EXHAUSTED"]);
    });

    test("a key that is connected, changes state, is replaced and removed is told of; what changes nothing is not", async () => {
      const { keys } = stores;
      const mutation = testMutation("acct-1");
      await keys.put(newKey({}), mutation);
      const standing = { state: "DEAD", stateReason: "revoked", stateUntilMs: NOW_MS + 9 } as const;
      const change = { account: "acct-1", keyId: "openai", version: 1, revision: 1, standing, probeDueMs: 0 };
      expect(await keys.setState(change, undefined)).toMatchObject({ state: "DEAD" });
      expect(await keys.setState(change, undefined)).toBe("raced");
      expect(await keys.setState({ ...change, revision: 2 }, undefined)).toMatchObject({ revision: 3 });
      await keys.put(newKey({ version: 2 }, 2, 1), mutation);
      await keys.delete("acct-1", "openai", "", mutation);
      const facts = { kind: "KEY_STATE_CHANGED", account: "acct-1", keyId: "openai", provider: "openai" };
      const dead = { newState: "DEAD", stateReason: "revoked", stateUntilMs: NOW_MS + 9 };
      expect(await eventsAfter(0n)).toMatchObject([
        { ...facts, version: 1, oldState: undefined, newState: "ACTIVE" },
        { ...facts, version: 1, oldState: "ACTIVE", ...dead },
        { ...facts, version: 2, oldState: "DEAD", newState: "ACTIVE", stateUntilMs: undefined },
        { ...facts, version: 2, oldState: "ACTIVE", newState: undefined, stateReason: "" },
      ]);
    });

    test("what was refused is not told", async () => {
      await expect(stores.keys.delete("acct-1", "openai", "", testMutation("acct-1"))).rejects.toThrow();
      const records = [recordOf("bad id", undefined)];
      const [result] = await stores.ledger.recordUsage(records, HOST, testMutation("a1", "usage.recorded"));
      expect(result?.outcome).toBe("REJECTED");
      expect(await eventsAfter(0n)).toEqual([]);
    });

    test("levels and events outlive a restart: nothing is told twice, and numbers go on", async () => {
      await give(500n);
      stores = await opened.reopen();
      expect(stores.accountEventNews.newest).toBe(1n);
      await spend(1n, "u1");
      expect(await kinds()).toEqual(["CREDITS_LOW"]);
      await spend(499n, "u2");
      expect(await eventsAfter(1n)).toMatchObject([{ seq: 2n, kind: "CREDITS_EXHAUSTED" }]);
    });

    test("listeners are told of their accounts alone, by the time that the caller has its answer, until they close", async () => {
      const own = stores.accountEventNews.listen("a1", "a2");
      const every = stores.accountEventNews.listen(EVERY_ACCOUNT);
      await give(1n, { account: "a3" });
      expect([await rang(own), await rang(every)]).toEqual([false, true]);
      await give(1n, { account: "a2" });
      expect([await rang(own), await rang(every)]).toEqual([true, true]);
      expect([await rang(own), await rang(every)]).toEqual([false, false]);
      expect(stores.accountEventNews.newest).toBe(2n);
      const waiting = own.next(60_000, signal);
      await give(1n, { account: "a1" });
      expect(await waiting).toBe(true);
      own.close();
      await give(1n, { account: "a1", expireMs: NOW_MS + 1 });
      expect(await rang(own)).toBe(false);
      every.close();
    });

    test("old events are forgotten, and who asks for what is gone is told so, even when nothing is left", async () => {
      await give(500n);
      opened.clock.advance(1_000);
      await give(5_000n);
      expect(await stores.accountEvents.prune(NOW_MS + 1, 100)).toBe(1);
      expect(await stores.accountEvents.prune(NOW_MS + 1, 100)).toBe(0);
      expect(await eventsAfter(1n)).toMatchObject([{ seq: 2n }]);
      expect(await stores.accountEvents.after(0n, 10)).toBe("forgotten");
      expect(await stores.accountEvents.prune(NOW_MS + 5_000, 100)).toBe(1);
      expect(await stores.accountEvents.after(1n, 10)).toBe("forgotten");
      stores = await opened.reopen();
      expect(await stores.accountEvents.newest()).toBe(2n);
      await spend(5_500n, "u1");
      expect(await eventsAfter(2n)).toMatchObject([{ seq: 3n }]);
    });

    test("no more events are kept than asked for", async () => {
      for (const account of ["b1", "b2", "b3"]) await give(1n, { account });
      expect(await stores.accountEvents.prune(0, 2)).toBe(1);
      expect(await eventsAfter(1n)).toMatchObject([{ account: "b2" }, { account: "b3" }]);
    });
  });
}
