import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signCheckpoint } from "../../../src/audit/checkpoint.ts";
import type { AuditEvent } from "../../../src/audit/event.ts";
import type { AuditFilter, Newest, ReleaseFilter, ReleaseRecord } from "../../../src/audit/ports.ts";
import type { StoredRecord } from "../../../src/audit/verify.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import type { Release } from "../../../src/router/ports.ts";
import { migrate } from "../../../src/store/sqlite/migrate.ts";
import { openWriter } from "../../../src/store/sqlite/open-database.ts";
import { openSqlite, type SqliteStore } from "../../../src/store/sqlite/open-sqlite.ts";
import type { Batch } from "../../../src/store/sqlite/protocol.ts";
import { runBatch } from "../../../src/store/sqlite/run-batch.ts";
import { WriteTransaction } from "../../../src/store/sqlite/write-transaction.ts";
import { ORIGIN, signer } from "../../audit/chains.ts";
import { testMutation } from "../../support/mutation.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const START_MS = 1_790_000_000_000;
const RECORDS = 10_000;

/** A fixed sequence of numbers below `n` that looks random. */
function numbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

type Command = Batch["commands"][number];

function releaseCommand(n: number, pick: (n: number) => number, account = `a${pick(50)}`): Command {
  const isHosted = pick(4) === 0;
  const host = `host-${pick(5)}`;
  const release: Release = {
    routeId: `route-${n}`,
    account,
    agent: "agent",
    host,
    caller: `spiffe://td/agent-host/${host}`,
    callId: `call-${n}`,
    payer: isHosted ? "HOSTED" : "BYOK",
    provider: "openai",
    model: "openai/gpt-5.5",
    upstreamModel: "gpt-5.5",
    canonicalModel: "openai/gpt-5.5",
    keyAccount: isHosted ? "platform" : account,
    keyId: "openai",
    keyVersion: 1 + Math.floor(n / 4_000),
    reuseUntilMs: START_MS + n * 10,
    timeMs: START_MS + n * 10,
    reason: "test",
  };
  return ["release", release];
}

function eventCommand(n: number, pick: (n: number) => number): Command {
  const event: AuditEvent = {
    kind: pick(100) === 0 ? "key.deleted" : "call.denied",
    // The wall clock of the callers steps back now and then.
    timeMs: START_MS + n * 10 - pick(40),
    caller: pick(200) === 0 ? "service" : `spiffe://td/settings/s${pick(3)}`,
    actor: "",
    account: pick(3) === 0 ? "" : `a${pick(50)}`,
    subject: `event-${n}`,
    details: {},
  };
  return ["appendAudit", [event]];
}

let directory: ReturnType<typeof temporaryDirectory>;
let store: SqliteStore;
let records: StoredRecord[];
let releases: ReleaseRecord[];
let postings: unknown[];
let postingsOfMigration: unknown[];

beforeAll(async () => {
  directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const pick = numbers(7);
  let n = 0;
  // The writer starts anew again and again, in the middle of segments, and batches break.
  for (let session = 0; session < 5; session += 1) {
    const db = openWriter(path);
    migrate(db, START_MS);
    const tx = new WriteTransaction(db);
    while (n < ((session + 1) * RECORDS) / 5) {
      const isBroken = pick(20) === 0;
      const commands = Array.from({ length: 50 }, (_none, index) => {
        n += 1;
        // An account that occurs for the first time in a batch that is undone, and then runs again.
        if (isBroken && index === 0) return releaseCommand(n, pick, `rare-${n}`);
        return pick(2) === 0 ? releaseCommand(n, pick) : eventCommand(n, pick);
      });
      const results = runBatch(tx, {
        nowMs: START_MS + n * 10,
        commands: isBroken ? [...commands, ["appendAudit", [{}]]] : commands,
      });
      expect(results.filter(({ ok }) => !ok)).toHaveLength(isBroken ? 1 : 0);
    }
    if (session === 4) {
      const readPostings = () => [
        ...db.prepare("SELECT term, segment FROM audit_posting ORDER BY segment, term").all(),
        ...db.prepare("SELECT segment, min_time_ms, max_time_ms FROM audit_segment ORDER BY segment").all(),
      ];
      postings = readPostings();
      const sql = readFileSync(new URL("../../../src/store/sqlite/migrations/0003-audit.sql", import.meta.url), "utf8");
      db.exec("BEGIN; DELETE FROM audit_posting; DELETE FROM audit_segment;");
      db.exec(sql.slice(sql.indexOf("-- What was recorded before.")));
      postingsOfMigration = readPostings();
      db.exec("ROLLBACK");
    }
    db.close();
  }
  store = await openSqlite(path, systemClock, silentLog);
  records = [];
  for (;;) {
    const part = await store.audit.read(records.at(-1)?.seq ?? 0n, 1_000);
    if (part.length === 0) break;
    records.push(...part);
  }
  releases = await all((before) => store.releaseHistory.newestReleases({}, before, 500));
});
afterAll(async () => {
  await store.close();
  directory.remove();
});

/** Every part of a list. */
async function all<T>(part: (before: bigint | undefined) => Promise<Newest<T>>): Promise<T[]> {
  const items: T[] = [];
  let before: bigint | undefined;
  do {
    const next = await part(before);
    items.push(...next.items);
    before = next.before;
  } while (before !== undefined);
  return items;
}

test("everything was written", () => {
  expect(records.some(({ account }) => account.startsWith("rare-"))).toBe(true);
  expect(records).toHaveLength(RECORDS);
  expect(releases.length).toBeGreaterThan(RECORDS / 3);
  expect(releases).toHaveLength(records.filter(({ kind }) => kind === "credential.released").length);
});

test("the newest events under any filter are those that a look at every event finds", async () => {
  const filters: AuditFilter[] = [
    {},
    { account: "a7" },
    { account: "nobody" },
    ...records.filter(({ account }) => account.startsWith("rare-")).map(({ account }) => ({ account })),
    { kind: "key.deleted" },
    { caller: "service" },
    { caller: "spiffe://td/agent-host/host-2" },
    { caller: "spiffe://other/agent-host/host-2" },
    { account: "a3", kind: "credential.released", caller: "spiffe://td/agent-host/host-1" },
    { startMs: START_MS + 30_000, endMs: START_MS + 50_000 },
    { account: "a9", startMs: START_MS + 41_000 },
    { kind: "call.denied", endMs: START_MS + 40_500 },
    { startMs: START_MS + 1e9 },
  ];
  for (const filter of filters) {
    const { account, kind, caller, startMs = 0, endMs = Number.MAX_SAFE_INTEGER } = filter;
    const expected = records
      .filter(
        (record) =>
          (account === undefined || record.account === account) &&
          (kind === undefined || record.kind === kind) &&
          (caller === undefined || record.caller === caller) &&
          record.timeMs >= startMs &&
          record.timeMs < endMs,
      )
      .map(({ seq }) => seq)
      .reverse();
    for (const limit of [7, 500]) {
      const found = await all((before) => store.audit.newest(filter, before, limit));
      expect(found.map(({ seq }) => seq)).toEqual(expected);
    }
  }
});

test("releases under any filter are those that a look at every release finds, newest first", async () => {
  const filters: ReleaseFilter[] = [
    { account: "a7" },
    { account: "a7", keyAccount: "a7" },
    { account: "platform" },
    { host: "host-3" },
    { host: "nowhere" },
    { account: "a8", host: "host-1", startMs: START_MS + 20_000, endMs: START_MS + 70_000 },
  ];
  for (const filter of filters) {
    const { account, keyAccount, host, startMs = 0, endMs = Number.MAX_SAFE_INTEGER } = filter;
    const expected = releases.filter(
      (release) =>
        (account === undefined || release.account === account || release.keyAccount === account) &&
        (keyAccount === undefined || release.keyAccount === keyAccount) &&
        (host === undefined || release.host === host) &&
        release.timeMs >= startMs &&
        release.timeMs < endMs,
    );
    for (const limit of [3, 500]) {
      const found = await all((before) => store.releaseHistory.newestReleases(filter, before, limit));
      expect(found).toEqual(expected);
    }
  }
  const order = releases.map(({ seq }) => seq);
  expect(order).toEqual([...order].sort((a, b) => (a < b ? 1 : -1)));
});

test("the holders of a key version are all hosts that were given it, with the times and how often", async () => {
  for (const key of [
    { account: "a7", keyId: "openai", version: 2 },
    { account: "platform", keyId: "openai", version: 1 },
    { account: "a7", keyId: "openai", version: 9 },
  ]) {
    const of = releases.filter((r) => r.keyAccount === key.account && r.keyVersion === key.version);
    const expected = [...new Set(of.map(({ host }) => host))].sort().map((host) => {
      const times = of.filter((r) => r.host === host).map(({ timeMs }) => timeMs);
      return { host, firstMs: Math.min(...times), lastMs: Math.max(...times), releases: BigInt(times.length) };
    });
    const signal = new AbortController().signal;
    expect(await store.releaseHistory.holders(key, START_MS, signal)).toEqual(expected);
  }
});

test("a database from before is brought to the same postings by the migration", () => {
  expect(postings.length).toBeGreaterThan(100);
  expect(postingsOfMigration).toEqual(postings);
});

describe("pruning", () => {
  const AT = 5_000n;

  function hashAt(seq: bigint): Uint8Array {
    const record = records[Number(seq) - 1];
    if (record === undefined) throw new Error("no such record");
    return record.hash;
  }

  async function moveBase(seq: bigint, hash = hashAt(seq)): Promise<string[]> {
    return store.audit.moveBase({ seq, hash }, testMutation("", "audit.pruned")).then(
      () => [],
      (error: { refusal: { violations: readonly { field: string }[] } }) =>
        error.refusal.violations.map(({ field }) => field),
    );
  }

  test("is refused for what was not exported, has no checkpoint, or another hash", async () => {
    expect(await moveBase(AT)).toEqual(["through_sequence", "through_sequence"]);
    await store.audit.noteExport(10n, AT, testMutation("", "audit.exported"));
    expect(await store.audit.exportedThrough()).toBe(0n);
    await store.audit.noteExport(0n, 3_000n, testMutation("", "audit.exported"));
    await store.audit.noteExport(3_000n, AT + 10n, testMutation("", "audit.exported"));
    expect(await store.audit.exportedThrough()).toBe(AT + 10n);
    expect(await moveBase(AT)).toEqual(["through_sequence"]);
    await store.audit.putCheckpoint(signCheckpoint(signer, ORIGIN, AT, hashAt(AT)), START_MS);
    expect(await moveBase(AT, Buffer.alloc(32, 1))).toEqual(["hash"]);
  });

  test("removes exactly what it was told to; releases and newer events stay to be found", async () => {
    const newer = await store.audit.read(AT, 1);
    expect(await moveBase(AT)).toEqual([]);
    expect(await store.audit.read(0n, 1)).toEqual(newer);
    let removed = 0;
    for (;;) {
      const count = await store.audit.removeBelowBase(2_000);
      removed += count;
      if (count === 0) break;
    }
    expect(removed).toBe(Number(AT));
    expect(await store.audit.base()).toMatchObject({ seq: AT });
    const left = await all((before) => store.audit.newest({ account: "a7" }, before, 50));
    expect(left.map(({ seq }) => seq)).toEqual(
      records
        .filter(({ account, seq }) => account === "a7" && seq > AT)
        .map(({ seq }) => seq)
        .reverse(),
    );
    const found = await all((before) => store.releaseHistory.newestReleases({ account: "a7" }, before, 50));
    expect(found).toEqual(releases.filter((r) => r.account === "a7"));
  });
});
