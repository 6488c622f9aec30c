import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CHAIN_START, canonicalDetails, chainHash } from "../../../src/audit/chain.ts";
import type { AuditEvent } from "../../../src/audit/event.ts";
import type { Placement } from "../../../src/router/ports.ts";
import { migrate } from "../../../src/store/sqlite/migrate.ts";
import { type Connection, openWriter } from "../../../src/store/sqlite/open-database.ts";
import { runBatch } from "../../../src/store/sqlite/run-batch.ts";
import { WriteTransaction } from "../../../src/store/sqlite/write-transaction.ts";
import { testMutation, testRequest } from "../../support/mutation.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const NOW_MS = 1_790_000_000_000;
let directory: ReturnType<typeof temporaryDirectory>;
let db: Connection;
let tx: WriteTransaction;

beforeEach(() => {
  directory = temporaryDirectory();
  db = openWriter(join(directory.path, "plori.db"));
  migrate(db, NOW_MS);
  tx = new WriteTransaction(db);
});
afterEach(() => {
  db.close();
  directory.remove();
});

function place(agent: string, generation: bigint, host = "host-1"): Placement {
  return { account: "a1", agent, host, generation, expireMs: NOW_MS + 60_000 };
}

function placeCommand(placements: Placement[], requestId?: string): ["placeAgents", unknown] {
  const request =
    requestId === undefined
      ? undefined
      : testRequest("", requestId, { placements: placements.map((p) => p.agent).join() });
  return ["placeAgents", { placements, overdraftLimitNano: 0n, mutation: testMutation("", "agents.placed", request) }];
}

function countOf(table: string): bigint {
  return (db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: bigint }).n;
}

test("a refused command leaves its neighbours in the batch untouched and writes nothing itself", () => {
  const results = runBatch(tx, {
    nowMs: NOW_MS,
    commands: [
      placeCommand([place("x", 5n)]),
      placeCommand([place("new", 1n), place("x", 4n)]),
      placeCommand([place("y", 1n)]),
    ],
  });
  expect(results.map((result) => result.ok)).toEqual([true, false, true]);
  expect(results[1]).toMatchObject({
    refusal: { reason: "STALE_GENERATION", metadata: { agent: "x", stale_count: "1" } },
  });
  expect(countOf("placement")).toBe(2n);
  expect(countOf("audit")).toBe(2n);
});

test("a command that breaks is undone alone: the others of its batch land, and the audit chain has no gap", () => {
  const broken = place("broken", 1n);
  const results = runBatch(tx, {
    nowMs: NOW_MS,
    commands: [
      placeCommand([place("x", 1n)]),
      // A generation that the table's own check refuses, after a first row was written: a fault that no verb would let through.
      placeCommand([broken, { ...place("zero", 1n), generation: 0n }]),
      placeCommand([place("y", 1n)]),
    ],
  });
  expect(results.map((result) => result.ok)).toEqual([true, false, true]);
  expect(results[1]).toHaveProperty("failed");
  expect(countOf("placement")).toBe(2n);
  expectChainHolds();
});

test("a repeated request id gets its first answer and writes nothing; another payload is a conflict that names the fields", () => {
  const id = "0190a1f0-0000-4000-8000-000000000001";
  const first = runBatch(tx, {
    nowMs: NOW_MS,
    commands: [placeCommand([place("x", 1n)], id), placeCommand([place("x", 1n)], id)],
  });
  expect(first[1]).toEqual(first[0]);
  expect(countOf("audit")).toBe(1n);
  const [conflict] = runBatch(tx, { nowMs: NOW_MS, commands: [placeCommand([place("other", 1n)], id)] });
  expect(conflict).toMatchObject({
    refusal: { reason: "REQUEST_ID_CONFLICT", metadata: { differing_fields: "placements" } },
  });
});

test("a full disk refuses with STORAGE_FULL, keeps what was acknowledged, and recovers by itself", () => {
  runBatch(tx, { nowMs: NOW_MS, commands: [placeCommand([place("x", 1n)])] });
  const pages = db.pragma("page_count", { simple: true }) as bigint;
  db.pragma(`max_page_count = ${pages}`);
  const many = Array.from({ length: 500 }, (_, i) => place(`agent-${i}`, 1n));
  const [full] = runBatch(tx, { nowMs: NOW_MS, commands: [placeCommand(many)] });
  expect(full).toMatchObject({ ok: false, refusal: { reason: "STORAGE_FULL" } });
  expect(countOf("placement")).toBe(1n);
  db.pragma("max_page_count = 1073741823");
  const [after] = runBatch(tx, { nowMs: NOW_MS, commands: [placeCommand(many)] });
  expect(after?.ok).toBe(true);
  expectChainHolds();
});

test("a disk that fills up within a command refuses the whole batch after one try, not after one a command", () => {
  // Larger than the page cache, so that pages are written before the commit: then it is a command that meets the full disk.
  db.pragma("cache_size = 10");
  const pages = db.pragma("page_count", { simple: true }) as bigint;
  db.pragma(`max_page_count = ${pages}`);
  const begun = vi.spyOn(db, "exec");
  const commands = ["x", "y", "z"].map((name) =>
    placeCommand(Array.from({ length: 300 }, (_, i) => place(`${name}-${i}`, 1n))),
  );
  const results = runBatch(tx, { nowMs: NOW_MS, commands });
  expect(results.map((result) => "refusal" in result && result.refusal.reason)).toEqual(Array(3).fill("STORAGE_FULL"));
  expect(begun.mock.calls.filter(([sql]) => sql === "BEGIN IMMEDIATE").length).toBe(1);
  expect(countOf("placement")).toBe(0n);
});

test.each(["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_WRITE", "SQLITE_CORRUPT_INDEX", "SQLITE_NOTADB"])(
  "after %s, at the commit or within a command, nothing of the batch is acknowledged and nothing is tried again",
  (code) => {
    const exec = db.exec.bind(db);
    const fault = new Database.SqliteError("disk I/O error", code);
    const commands = [placeCommand([place("x", 1n)]), placeCommand([place("y", 1n)])];
    const begun = vi.spyOn(db, "exec").mockImplementation((sql) => {
      if (sql === "COMMIT") throw fault;
      return exec(sql);
    });
    expect(() => runBatch(tx, { nowMs: NOW_MS, commands })).toThrow(fault);
    begun.mockReset().mockImplementation(exec);
    vi.spyOn(tx, "audit").mockImplementation(() => {
      tx.dirty = true;
      throw fault;
    });
    expect(() => runBatch(tx, { nowMs: NOW_MS, commands })).toThrow(fault);
    expect(begun.mock.calls.filter(([sql]) => sql === "BEGIN IMMEDIATE").length).toBe(1);
    expect(countOf("placement")).toBe(0n);
  },
);

test("an agent that was removed is not placed again by an older generation", () => {
  const remove: ["removeAgents", unknown] = [
    "removeAgents",
    { agents: [{ account: "a1", agent: "x", generation: 0n }], mutation: testMutation("", "agents.removed") },
  ];
  const results = runBatch(tx, {
    nowMs: NOW_MS,
    commands: [
      placeCommand([place("x", 7n)]),
      remove,
      remove,
      placeCommand([place("x", 6n)]),
      placeCommand([place("x", 8n)]),
    ],
  });
  expect(results[1]).toEqual({ ok: true, answer: { removedCount: 1 } });
  expect(results[2]).toEqual({ ok: true, answer: { removedCount: 0 } });
  expect(results[3]).toMatchObject({ refusal: { reason: "STALE_GENERATION" } });
  expect(results[4]?.ok).toBe(true);
});

/** Recomputes the chain from its start over what the table holds. */
function expectChainHolds(): void {
  const rows = db
    .prepare(
      "SELECT seq, writer, time_ms AS timeMs, kind, caller, actor, account, subject, details, hash FROM audit ORDER BY seq",
    )
    .all() as (AuditEvent & { seq: bigint; writer: string; details: unknown; hash: Uint8Array })[];
  let previous: Uint8Array = CHAIN_START;
  rows.forEach((row, index) => {
    expect(row.seq).toBe(BigInt(index + 1));
    const details = String(row.details);
    expect(canonicalDetails(JSON.parse(details))).toBe(details);
    previous = chainHash(previous, { ...row, timeMs: Number(row.timeMs) }, details);
    expect(Buffer.compare(Buffer.from(row.hash), previous as Buffer)).toBe(0);
  });
}

test("what was undone is not told, and what was committed is told once, the last of each host", () => {
  const moved = (agent: string, generation: bigint) => placeCommand([place(agent, generation, `host-${generation}`)]);
  runBatch(tx, { nowMs: NOW_MS, commands: [moved("x", 1n), moved("y", 1n), moved("w", 9n)] });
  expect(tx.news.take()).toBeUndefined();
  // It breaks after it has revoked what agent w has on host-9.
  const agents = [{ account: "a1", agent: "w", generation: 0n }, undefined];
  const broken: ["removeAgents", unknown] = ["removeAgents", { agents, mutation: testMutation("", "agents.removed") }];
  const results = runBatch(tx, { nowMs: NOW_MS, commands: [moved("x", 2n), moved("y", 2n), broken, moved("x", 3n)] });
  expect(results.map(({ ok }) => ok)).toEqual([true, true, false, true]);
  expect(tx.news.take()).toEqual([
    { feed: "revocations", topic: "host-1", seq: 2n },
    { feed: "revocations", topic: "host-2", seq: 3n },
  ]);
  expect(tx.news.take()).toBeUndefined();
  expect(countOf("revocation")).toBe(3n);
});
