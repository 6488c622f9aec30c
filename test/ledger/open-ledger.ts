import { join } from "node:path";
import { type ManualClock, manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { LedgerStore } from "../../src/ledger/ports.ts";
import type { RecordResult, UsageRecord } from "../../src/ledger/usage-record.ts";
import { openSqlite, type SqliteStore } from "../../src/store/sqlite/open-sqlite.ts";
import { testMutation } from "../support/mutation.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { HOST, item, NOW_MS, RECORDER, recordOf } from "./fixtures.ts";

/** A ledger in a real SQLite file behind its writing thread, with a clock in the test's hand. Input and disk cost 1 nano-credit a unit, output 2. */
export interface OpenLedger {
  readonly clock: ManualClock;
  readonly path: string;
  readonly store: SqliteStore;
  readonly ledger: LedgerStore;
  grant(amountNano: bigint, grantId?: string, expireMs?: number): Promise<void>;
  /** Releases a hosted route `r-<call>` with a hold `h-<call>` for 50 tokens each way: 150 nano-credits. */
  release(callId: string, account?: string): Promise<void>;
  record(records: readonly UsageRecord[], by?: "host" | "recorder"): Promise<readonly RecordResult[]>;
  disk(usageId: string, byteSeconds: bigint): Promise<RecordResult>;
  /** What the verifier says of account "a1"; nothing, when all is well. */
  differences(): Promise<readonly unknown[]>;
  /** Closes the store and opens it anew, as a restart does. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Opens one with its prices published and account "a1" still without a credit. */
export async function openLedger(startMs = NOW_MS): Promise<OpenLedger> {
  const directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const clock = manualClock(startMs);
  let store = await openSqlite(path, clock, silentLog);
  const items = [item("INPUT_UNCACHED", 1_000n), item("OUTPUT", 2_000n), item("DISK", 1_000n)];
  await store.ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
  const open: OpenLedger = {
    clock,
    path,
    get store() {
      return store;
    },
    get ledger() {
      return store.ledger;
    },
    async grant(amountNano, grantId = "grant", expireMs) {
      const rest = { priority: 0, category: "PAID", effectiveMs: undefined, expireMs } as const;
      const grant = { account: "a1", grantId, amountNano, ...rest };
      await store.ledger.grantCredits(grant, testMutation("a1", "credits.granted"));
    },
    async release(callId, account = "a1") {
      await store.releases.release({
        routeId: `r-${callId}`,
        timeMs: clock.nowMs(),
        caller: "spiffe://dev.plori.internal/agent-host/h1",
        host: "h1",
        account,
        agent: "g1",
        callId,
        provider: "openai",
        model: "vendor/m",
        upstreamModel: "m",
        canonicalModel: "vendor/m",
        payer: "HOSTED",
        keyAccount: "platform",
        keyId: "openai",
        keyVersion: 1,
        reuseUntilMs: clock.nowMs(),
        reason: "TEST",
        hold: { holdId: `h-${callId}`, inputTokens: 50n, maxOutputTokens: 50n, minOutputTokens: 50n },
      });
    },
    record: (records, by = "host") =>
      store.ledger.recordUsage(records, by === "host" ? HOST : RECORDER, testMutation("a1", "usage.recorded")),
    async disk(usageId, byteSeconds) {
      const record = recordOf(usageId, { kind: "DISK", byteSeconds }, { occurMs: clock.nowMs() });
      const [result] = await open.record([record], "recorder");
      if (result === undefined) throw new Error("no result");
      return result;
    },
    async differences() {
      const verified = await Array.fromAsync(store.ledger.verify("a1", "", new AbortController().signal));
      return verified.flatMap(({ differences }) => differences);
    },
    async restart() {
      await store.close();
      store = await openSqlite(path, clock, silentLog);
    },
    async close() {
      await store.close();
      directory.remove();
    },
  };
  return open;
}
