import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ManualClock } from "../../src/base/clock.ts";
import { PloriError } from "../../src/base/errors.ts";
import { LIMITS } from "../../src/base/limits.ts";
import type { NewGrant } from "../../src/ledger/grant-credits.ts";
import type { LedgerStore } from "../../src/ledger/ports.ts";
import type { RecordResult, UsageRecord } from "../../src/ledger/usage-record.ts";
import type { Release, ReleaseLog } from "../../src/router/ports.ts";
import { callOver, HOST, item, NOW_MS, RECORDER, recordOf, tokens } from "../ledger/fixtures.ts";
import { testMutation, testRequest } from "../support/mutation.ts";

const UUID = "0190a3f0-0000-7000-8000-000000000003";

/** What a store of credits is opened with: an empty one, the releases beside it, and the clock that both go by, at `NOW_MS`. */
export interface OpenLedger {
  readonly ledger: LedgerStore;
  readonly releases: ReleaseLog;
  readonly clock: ManualClock;
  /** How many audit events of this kind are stored. */
  auditCount(kind: string): number | Promise<number>;
  /** Closes everything and opens it again on the same data. */
  reopen(): Promise<Pick<OpenLedger, "ledger" | "releases">>;
  close(): Promise<void>;
}

/** What every store of credits must keep, whatever engine is behind it. */
export function ledgerStoreContract(name: string, open: () => Promise<OpenLedger>): void {
  describe(`ledger store: ${name}`, () => {
    let opened: OpenLedger;
    let ledger: LedgerStore;
    let releases: ReleaseLog;
    beforeEach(async () => {
      opened = await open();
      ({ ledger, releases } = opened);
      const items = [item("INPUT_UNCACHED", 1_000n), item("OUTPUT", 2_000n), item("DISK", 1_000n)];
      await ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
    });
    afterEach(() => opened.close());

    const give = (rest: Partial<NewGrant> = {}, request?: string) =>
      ledger.grantCredits(
        {
          account: "a1",
          grantId: "g1",
          amountNano: 1_000n,
          priority: 0,
          category: "PAID",
          effectiveMs: undefined,
          expireMs: undefined,
          ...rest,
        },
        testMutation(
          "a1",
          "credits.granted",
          request === undefined ? undefined : testRequest("a1", UUID, { amount: request }),
        ),
      );
    const record = (records: readonly UsageRecord[], recorder = RECORDER): Promise<readonly RecordResult[]> =>
      ledger.recordUsage(records, recorder, testMutation("a1", "usage.recorded"));

    test("how far an account had come by a time, and which account has charges next, is known", async () => {
      const disk = (usageId: string, account: string) =>
        recordOf(usageId, { kind: "DISK", byteSeconds: 1n }, { account });
      expect(await ledger.lastSequenceBefore("a1", NOW_MS)).toBe(0);
      expect(await ledger.nextChargedAccount("")).toBeUndefined();
      await record([disk("u1", "a1"), disk("u2", "a1"), disk("u1", "a3")]);
      opened.clock.advance(1_000);
      await record([disk("u3", "a1")]);
      const at = (ms: number) => ledger.lastSequenceBefore("a1", NOW_MS + ms);
      expect([await at(0), await at(1), await at(1_000), await at(1_001)]).toEqual([0, 2, 2, 3]);
      expect([await ledger.nextChargedAccount(""), await ledger.nextChargedAccount("a1")]).toEqual(["a1", "a3"]);
      expect(await ledger.nextChargedAccount("a3")).toBeUndefined();
    });

    test("an unknown account has an empty balance and no charges", async () => {
      expect(await ledger.balance("nobody")).toEqual({
        account: "nobody",
        availableNano: 0n,
        heldNano: 0n,
        spentNano: 0n,
        overdraftNano: 0n,
        grantedNano: 0n,
        expiredNano: 0n,
        voidedNano: 0n,
        grants: [],
      });
      expect(await ledger.listCharges("nobody", 10)).toEqual([]);
    });

    test("a grant comes back as it was given, and again for the same request id; another payload is a conflict", async () => {
      const granted = await give({ priority: 7, category: "PROMOTIONAL", expireMs: NOW_MS + 5_000 }, "x");
      expect(granted).toMatchObject({ grantId: "g1", remainingNano: 1_000n, priority: 7, effectiveMs: NOW_MS });
      expect(await give({ grantId: "g2" }, "x")).toEqual(granted);
      expect(await reasonOf(give({ grantId: "g2" }, "y"))).toBe("REQUEST_ID_CONFLICT");
      expect((await ledger.balance("a1")).grants).toEqual([granted]);
      expect(await opened.auditCount("credits.granted")).toBe(1);
    });

    test("the newest price version is the one that was published last, and a refused one is not there", async () => {
      expect(await ledger.newestPriceVersion()).toMatchObject({ version: 1, itemCount: 3 });
      const refused = ledger.publishPrices(
        { items: [item("DISK", -1n)], effectiveMs: undefined },
        testMutation("", "prices.published"),
      );
      expect(await reasonOf(refused)).toBe("FIELDS_INVALID");
      expect(await ledger.newestPriceVersion()).toMatchObject({ version: 1 });
    });

    test("a hosted call: credits are set aside with its release, and its record settles it once, also after reopening", async () => {
      await give();
      const released = await releases.release(release("r1", "call", true));
      expect(released).toMatchObject({ priceVersion: 1, hold: { amountNano: 300n, maxOutputTokens: 100n } });
      expect(await ledger.balance("a1")).toMatchObject({ availableNano: 700n, heldNano: 300n });
      ({ ledger, releases } = await opened.reopen());
      const usage = recordOf("u1", callOver("r1", "call", { usage: tokens(10n, 10n) }), { labels: { team: "x" } });
      const [created] = await record([usage], HOST);
      expect(created).toMatchObject({ outcome: "CREATED", charge: { amountNano: 30n, sequence: 1, recordMs: NOW_MS } });
      expect(await record([usage], HOST)).toEqual([{ ...created, outcome: "REPLAYED" }]);
      expect(await ledger.balance("a1")).toMatchObject({ availableNano: 970n, heldNano: 0n, spentNano: 30n });
      expect(await reasonOf(releases.release(release("r2", "call", true)))).toBe("CALL_SETTLED");
      expect(await ledger.listCharges("a1", 10)).toEqual([created?.outcome === "CREATED" && created.charge]);
      expect(await opened.auditCount("usage.recorded")).toBe(1);
    });

    test("each record of a request is judged alone, in order, and a request without a charge leaves no audit", async () => {
      await releases.release(release("r1", "", false));
      const disk = recordOf("d1", { kind: "DISK", byteSeconds: 5n });
      const records = [
        disk,
        recordOf("", { kind: "DISK", byteSeconds: 5n }),
        disk,
        recordOf("d1", { kind: "DISK", byteSeconds: 6n }),
        recordOf("b1", callOver("r1", "b1")),
        recordOf("v1", { kind: "COMPUTE", vcpuMilliseconds: 1n, memoryMibMilliseconds: 1n }),
      ];
      const results = await record(records);
      expect(results.map((result) => (result.outcome === "REJECTED" ? result.refusal.reason : result.outcome))).toEqual(
        ["CREATED", "FIELDS_INVALID", "REPLAYED", "USAGE_ID_CONFLICT", "CREATED", "PRICE_NOT_FOUND"],
      );
      expect(await ledger.balance("a1")).toMatchObject({ spentNano: 5n, overdraftNano: 5n, availableNano: 0n });
      await record(records);
      expect(await opened.auditCount("usage.recorded")).toBe(1);
    });

    test("a repeated request id of a record request gives its first answer", async () => {
      const request = testRequest("", UUID, { records: "x" });
      const mutation = testMutation("a1", "usage.recorded", request);
      const records = [recordOf("d1", { kind: "DISK", byteSeconds: 5n }), recordOf("", undefined)];
      const first = ledger.recordUsage(records, RECORDER, mutation);
      const second = ledger.recordUsage(records, RECORDER, mutation);
      expect((await first)[0]).toMatchObject({ outcome: "CREATED" });
      expect(await second).toEqual(await first);
      expect(await ledger.recordUsage(records, RECORDER, mutation)).toEqual(await first);
    });

    test("charges are listed newest first, in pages, each account's alone", async () => {
      await record(Array.from({ length: 5 }, (_, i) => recordOf(`d${i}`, { kind: "DISK", byteSeconds: 1n })));
      await record([recordOf("x", { kind: "DISK", byteSeconds: 1n }, { account: "a2" })]);
      const sequences = async (limit: number, before?: number) =>
        (await ledger.listCharges("a1", limit, before)).map((charge) => charge.sequence);
      expect(await sequences(3)).toEqual([5, 4, 3]);
      expect(await sequences(3, 3)).toEqual([2, 1]);
      expect(await sequences(3, 1)).toEqual([]);
    });

    test("many calls at once never set aside more than there is", async () => {
      await give({ amountNano: 1_000n });
      const asked = Array.from({ length: 40 }, (_, i) => {
        const order = release(`r${i}`, `call${i}`, true);
        return releases.release({ ...order, hold: { ...holdOf(order), minOutputTokens: 100n } });
      });
      const answers = await Promise.allSettled(asked);
      expect(answers.filter((answer) => answer.status === "fulfilled").length).toBe(3);
      expect(await ledger.balance("a1")).toMatchObject({ availableNano: 100n, heldNano: 900n });
    });

    test("what time has ended is over at once for balances, and booked by the sweep; a call without a report is estimated until one comes", async () => {
      await give({ expireMs: NOW_MS + LIMITS.holdMs + 1_000 });
      await releases.release(release("r1", "call", true));
      opened.clock.advance(LIMITS.holdMs);
      expect(await ledger.balance("a1")).toMatchObject({ availableNano: 900n, heldNano: 0n, spentNano: 100n });
      expect(await ledger.listCharges("a1", 10)).toEqual([]);
      expect(await ledger.sweepHolds()).toBe(1);
      expect(await ledger.listCharges("a1", 10)).toMatchObject([{ estimated: true, amountNano: 100n, usageId: "" }]);
      expect(await ledger.sweepHolds()).toBe(0);
      opened.clock.advance(1_000);
      expect(await ledger.balance("a1")).toMatchObject({ availableNano: 0n, expiredNano: 900n });
      expect(await ledger.sweepHolds()).toBe(1);
      const [late] = await record([recordOf("u1", callOver("r1", "call"))], HOST);
      expect(late).toMatchObject({ outcome: "CREATED", charge: { holdId: "hold-r1", amountNano: 30n } });
      // What the estimate had drawn from the grant that ended since is the call's own; the rest of it ends with the grant.
      expect(await ledger.balance("a1")).toMatchObject({ spentNano: 30n, overdraftNano: 0n, expiredNano: 970n });
      const charges = await ledger.listCharges("a1", 10);
      expect(charges.map((charge) => [charge.amountNano, charge.estimated, charge.reverses])).toEqual([
        [30n, false, 0],
        [-100n, true, 1],
        [100n, true, 0],
      ]);
    });
  });
}

function release(routeId: string, callId: string, hosted: boolean): Release {
  const order: Release = {
    routeId,
    timeMs: NOW_MS,
    caller: "spiffe://dev.plori.internal/agent-host/h1",
    host: "h1",
    account: "a1",
    agent: "g1",
    callId,
    provider: "openai",
    model: "vendor/m",
    upstreamModel: "m",
    canonicalModel: "vendor/m",
    payer: hosted ? "HOSTED" : "BYOK",
    keyAccount: hosted ? "platform" : "a1",
    keyId: "openai",
    keyVersion: 1,
    reuseUntilMs: NOW_MS,
    reason: "TEST",
  };
  return hosted ? { ...order, hold: holdOf(order) } : order;
}

function holdOf({ routeId }: Pick<Release, "routeId">) {
  return { holdId: `hold-${routeId}`, inputTokens: 100n, maxOutputTokens: 100n, minOutputTokens: 1n };
}

async function reasonOf(pending: Promise<unknown>): Promise<string> {
  try {
    await pending;
  } catch (error) {
    if (error instanceof PloriError) return error.reason;
    throw error;
  }
  return "no refusal";
}
