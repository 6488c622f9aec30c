import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type ReconcileDayInput, reconcileDay } from "../../src/ledger/verbs/reconcile-day.ts";
import { openSqlite, type SqliteStore } from "../../src/store/sqlite/open-sqlite.ts";
import { testMutation } from "../support/mutation.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { callOver, HOST, item, NOW_MS, RECORDER, recordOf, tokens } from "./fixtures.ts";

const DAY_MS = 86_400_000;
const DAY = Math.floor(NOW_MS / DAY_MS) * DAY_MS;
let directory: ReturnType<typeof temporaryDirectory>;
let store: SqliteStore;
let clock: ManualClock;

/** Two accounts with a hosted call of 2,400 nano-credits each, a call on a user's own key, and disk. */
beforeEach(async () => {
  directory = temporaryDirectory();
  clock = manualClock(NOW_MS);
  store = await openSqlite(join(directory.path, "plori.db"), clock, silentLog);
  const items = [item("INPUT_UNCACHED", 1_000n), item("OUTPUT", 2_000n), item("DISK", 1_000n)];
  await store.ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
  for (const account of ["a1", "a2"]) {
    for (const payer of ["HOSTED", "BYOK"] as const) {
      const routeId = `${account}-${payer}`;
      await store.releases.release({
        routeId,
        timeMs: NOW_MS,
        caller: "spiffe://dev.plori.internal/agent-host/h1",
        host: "h1",
        account,
        agent: "g1",
        callId: payer,
        provider: "openai",
        model: "vendor/m",
        upstreamModel: "m",
        canonicalModel: "vendor/m",
        payer,
        keyAccount: payer === "HOSTED" ? "platform" : account,
        keyId: "openai",
        keyVersion: 1,
        reuseUntilMs: NOW_MS,
        reason: "TEST",
      });
      const usage = callOver(routeId, payer, { usage: tokens(400n, 1_000n) });
      await record(HOST, recordOf(payer, usage, { account }));
    }
    await record(RECORDER, recordOf("d", { kind: "DISK", byteSeconds: 77n }, { account }));
  }
  clock.advance(4 * DAY_MS);
});
afterEach(async () => {
  await store.close();
  directory.remove();
});

const record = (recorder: typeof HOST, one: ReturnType<typeof recordOf>) =>
  store.ledger.recordUsage([one], recorder, testMutation(one.account, "usage.recorded"));

/** A dollar is worth 20 nano-credits, so that 4,800 nano-credits at 20 % markup are 200 dollars. */
function reconcile(rest: Partial<ReconcileDayInput>) {
  const input = { provider: "openai", dayMs: DAY, billedUsdNano: 200_000_000_000n, creditsPerUsdNano: 20n } as const;
  const creditSettings = { creditsPerUsdNano: undefined, markupPercent: 0 };
  return reconcileDay({ ledger: store.ledger, clock, creditSettings }, { ...input, markupPercent: 20, ...rest });
}

test("hosted calls of all accounts, and nothing else, stand against the bill at the credits' value without the markup", async () => {
  expect(await reconcile({})).toMatchObject({
    capturedUsdNano: 200_000_000_000n,
    differenceUsdNano: 0n,
    ratioMillionths: 1_000_000n,
    outOfTolerance: false,
    models: [{ model: "vendor/m", charges: 2, amountNano: 4_800n, quantities: { INPUT_UNCACHED: 800n } }],
  });
  expect(await reconcile({ provider: "groq", billedUsdNano: 5n })).toMatchObject({ models: [], ratioMillionths: 0n });
});

test.each([
  [199_010_000_000n, false],
  [198_900_000_000n, true],
  [201_000_000_000n, false],
  [201_100_000_000n, true],
  [0n, true],
])("billed %s nano-dollars: out of tolerance %s", async (billedUsdNano, outOfTolerance) => {
  expect(await reconcile({ billedUsdNano })).toMatchObject({ outOfTolerance });
});

test("a charge that was undone is not captured", async () => {
  await store.ledger.reverseCharge("a1", 1, testMutation("a1", "charge.reversed"));
  expect(await reconcile({})).toMatchObject({ capturedUsdNano: 100_000_000_000n, outOfTolerance: true });
});

test("where a bill does not say what a dollar is worth, the operator's setting holds", async () => {
  const deps = { ledger: store.ledger, clock, creditSettings: { creditsPerUsdNano: 20n, markupPercent: 20 } };
  const bill = { provider: "openai", dayMs: DAY, billedUsdNano: 200_000_000_000n } as const;
  const asked = { creditsPerUsdNano: undefined, markupPercent: undefined };
  expect(await reconcileDay(deps, { ...bill, ...asked })).toMatchObject({ differenceUsdNano: 0n });
});

test("what cannot be compared is refused, all of it at once", async () => {
  const wrong = { provider: undefined, dayMs: clock.nowMs() + 1, billedUsdNano: -1n, creditsPerUsdNano: 0n } as const;
  await expect(reconcile({ ...wrong, markupPercent: -1 })).rejects.toMatchObject({
    refusal: {
      violations: ["provider", "day", "day", "billed_usd_nanos", "credits_per_usd", "markup_percent"].map((field) =>
        expect.objectContaining({ field }),
      ),
    },
  });
});
