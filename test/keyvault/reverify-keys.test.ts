import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError, refuse } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import type { KeyKeeper } from "../../src/keyvault/key-keeper.ts";
import type { KeyRecord } from "../../src/keyvault/ports.ts";
import { startReverifier } from "../../src/keyvault/reverify-keys.ts";
import { createMemoryKeyStore } from "../support/memory-key-store.ts";
import { testMutation } from "../support/mutation.ts";

const NOW_MS = 1_790_000_000_000;

/** A reverifier whose time a test moves, over keys that are due one after another. */
async function openReverifier(accounts: readonly string[], probesPerMinute: number, probe?: KeyKeeper["probe"]) {
  const clock = manualClock(NOW_MS);
  const { store } = createMemoryKeyStore();
  for (const [index, account] of accounts.entries()) {
    const record: KeyRecord = {
      account,
      keyId: "openai",
      provider: "openai",
      version: 1,
      revision: 1,
      source: "PASTED",
      state: "ACTIVE",
      stateReason: "",
      createMs: NOW_MS,
    };
    const sealed = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) };
    await store.put(
      { record, sealed, fingerprint: new Uint8Array(32), replacesVersion: 0, probeDueMs: NOW_MS - 1_000 + index },
      testMutation(account),
    );
  }
  const probed: string[] = [];
  const due = new Set<() => void>();
  const reverifier = startReverifier({
    keys: store,
    keeper: {
      probe(ref, cause, options) {
        probed.push(ref.account);
        return probe?.(ref, cause, options) ?? Promise.resolve(undefined);
      },
    },
    clock,
    timers: {
      after(_ms, run) {
        due.add(run);
        return () => due.delete(run);
      },
    },
    log: silentLog,
    probesPerMinute,
    random: () => 0,
  });
  return {
    clock,
    store,
    probed,
    reverifier,
    timers: due,
    /** Lets so many seconds go by, a tick each. */
    async seconds(count: number) {
      for (let second = 0; second < count; second += 1) {
        clock.advance(1_000);
        for (const run of [...due]) {
          due.delete(run);
          run();
        }
        // A tick schedules the next one when it is done.
        while (due.size === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

const ACCOUNTS = Array.from({ length: 100 }, (_none, index) => `acct-${String(index).padStart(3, "0")}`);

test("keys that are due are probed in the order of their waiting, no faster than allowed, each once", async () => {
  const { seconds, probed } = await openReverifier(ACCOUNTS, 60);
  await seconds(10);
  expect(probed).toEqual(ACCOUNTS.slice(0, 10));
  await seconds(200);
  expect(probed).toEqual(ACCOUNTS);
});

test("a pause is not made up for in one burst", async () => {
  const { seconds, clock, probed } = await openReverifier(ACCOUNTS, 60);
  clock.advance(3_600_000);
  await seconds(1);
  expect(probed.length).toBeLessThanOrEqual(2);
});

test("a key is put off before its probe begins, so that a process that dies does not bring it back at once", async () => {
  let dueWhileProbing: unknown;
  const opened = await openReverifier(["acct-1"], 600, async () => {
    dueWhileProbing = await opened.store.dueProbes(NOW_MS + 1_800_000, 10);
    return undefined;
  });
  await opened.seconds(1);
  expect(opened.probed).toEqual(["acct-1"]);
  expect(dueWhileProbing).toEqual([]);
  expect(await opened.store.dueProbes(NOW_MS + 3_700_000, 10)).toHaveLength(1);
});

test("an account at its own bound comes later and keeps nobody waiting", async () => {
  const limited = new PloriError({ reason: "RATE_LIMITED", message: "used up", retryAfterMs: 30_000 });
  const { seconds, probed } = await openReverifier(["greedy", "other"], 60, async ({ account }) => {
    if (account === "greedy") throw limited;
    return undefined;
  });
  await seconds(20);
  expect(probed).toEqual(["greedy", "other"]);
  await seconds(20);
  expect(probed).toEqual(["greedy", "other", "greedy"]);
});

test("a probe that fails stops nothing", async () => {
  const { seconds, probed } = await openReverifier(["a", "b", "c"], 60, async () => {
    throw refuse("KMS_UNAVAILABLE", "away");
  });
  await seconds(5);
  expect(probed).toEqual(["a", "b", "c"]);
});

test("at most sixteen probes are under way", async () => {
  const { seconds, probed } = await openReverifier(ACCOUNTS, 60_000, () => new Promise(() => {}));
  await seconds(5);
  expect(probed).toHaveLength(16);
});

test("closing cuts probes under way short, waits for them, and starts no more", async () => {
  let ended = false;
  const { seconds, probed, reverifier, timers } = await openReverifier(
    ACCOUNTS,
    60,
    async (_ref, _cause, { signal }) => {
      await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      ended = true;
      throw refuse("CANCELLED", "closed");
    },
  );
  await seconds(1);
  await reverifier.close();
  expect(ended).toBe(true);
  expect(probed).toHaveLength(1);
  expect(timers.size).toBe(0);
});

test("a rate of zero turns it off", async () => {
  const { timers } = await openReverifier(ACCOUNTS, 0);
  expect(timers.size).toBe(0);
});
