import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../src/base/clock.ts";
import { LIMITS } from "../../src/base/limits.ts";
import { silentLog } from "../../src/base/log.ts";
import type { VerifiedAccount } from "../../src/ledger/ports.ts";
import { openSqlite, type SqliteStore } from "../../src/store/sqlite/open-sqlite.ts";
import { testMutation } from "../support/mutation.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { callOver, HOST, item, NOW_MS, RECORDER, recordOf, tokens } from "./fixtures.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let path: string;
let store: SqliteStore;
let clock: ManualClock;

/** An account with every sort of row: grants, a settled call, one that ran out, one that is open, a reversal, overdraft made good, compute unpriced. */
beforeEach(async () => {
  directory = temporaryDirectory();
  path = join(directory.path, "plori.db");
  clock = manualClock(NOW_MS);
  store = await openSqlite(path, clock, silentLog);
  const { ledger } = store;
  const items = [item("INPUT_UNCACHED", 1_234n), item("OUTPUT", 2_345n), item("DISK", 1_000n)];
  await ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
  for (const account of ["a1", "a2"]) {
    await grant(account, "g1", 1_000n);
    for (const call of ["settled", "lost"]) await release(account, call);
    const usage = callOver(`${account}-settled`, "settled", { usage: tokens(7n, 9n) });
    await ledger.recordUsage([recordOf("u1", usage, { account })], HOST, testMutation(account, "usage.recorded"));
    clock.advance(LIMITS.holdMs);
    await ledger.sweepHolds();
    await release(account, "open");
    await disk(account, "d1", 50n);
    await disk(account, "d2", 5_000n);
    await grant(account, "g2", 100_000n);
    await ledger.reverseCharge(account, 3, testMutation(account, "charge.reversed"));
  }
});
afterEach(async () => {
  await store.close();
  directory.remove();
});

function grant(account: string, grantId: string, amountNano: bigint) {
  const rest = { priority: 0, category: "PAID", effectiveMs: undefined, expireMs: undefined } as const;
  return store.ledger.grantCredits({ account, grantId, amountNano, ...rest }, testMutation(account, "credits.granted"));
}

function disk(account: string, usageId: string, byteSeconds: bigint) {
  const record = recordOf(usageId, { kind: "DISK", byteSeconds }, { account, occurMs: clock.nowMs() });
  return store.ledger.recordUsage([record], RECORDER, testMutation(account, "usage.recorded"));
}

function release(account: string, callId: string) {
  return store.releases.release({
    routeId: `${account}-${callId}`,
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
    hold: { holdId: `h-${callId}`, inputTokens: 50n, maxOutputTokens: 50n, minOutputTokens: 1n },
  });
}

async function verify(account?: string): Promise<VerifiedAccount[]> {
  const found: VerifiedAccount[] = [];
  for await (const one of store.ledger.verify(account, "", new AbortController().signal)) found.push(one);
  return found;
}

/** Edits the file behind the service's back. */
function tamper(sql: string): void {
  const db = new Database(path);
  db.pragma("ignore_check_constraints = ON");
  const { changes } = db.prepare(sql).run();
  db.close();
  expect(changes).toBeGreaterThan(0);
}

const OF_A1 = "WHERE account = 'a1'";

test("a ledger that nobody touched shows no difference, whole or account by account", async () => {
  const all = await verify();
  expect(all.map(({ account, differences }) => [account, differences])).toEqual([
    ["", []],
    ["a1", []],
    ["a2", []],
  ]);
  expect(all.every(({ rows }) => rows > 0)).toBe(true);
  expect(await verify("a1")).toEqual([all[1]]);
});

describe("every edited column of a charge is found, and the charge is named", () => {
  test.each([
    ["usage_id", "'other'"],
    ["agent", "'other'"],
    ["kind", "'COMPUTE'"],
    ["payer", "'BYOK'"],
    ["amount_nano", "amount_nano + 1"],
    ["list_nano", "NULL"],
    ["overdraft_nano", "1"],
    ["estimated", "1 - estimated"],
    ["price_version", "2"],
    ["lines", "replace(lines, '7', '8')"],
    ["allocations", "'[]'"],
    ["provider", "'groq'"],
    ["model", "'other'"],
    ["upstream_model", "'other'"],
    ["route_id", "'other'"],
    ["hold_id", "''"],
    ["call_id", "'other'"],
    ["attempt", "9"],
    ["outcome", "NULL"],
    ["key_version", "9"],
    ["provider_cost_usd_nano", "9"],
    ["provider_request_id", "'other'"],
    ["record_text", "record_text || ' '"],
    ["occur_ms", "occur_ms + 1"],
    ["record_ms", "record_ms - 1"],
    ["digest", "'other'"],
  ])("%s", async (column, value) => {
    tamper(`UPDATE charge SET ${column} = ${value} ${OF_A1} AND sequence = 1`);
    const [one] = await verify("a1");
    expect(one?.differences).toContainEqual(
      expect.objectContaining({ rule: "digest", subject: "accounts/a1/charges/1" }),
    );
    expect((await verify("a2"))[0]?.differences).toEqual([]);
  });
});

test.each([
  ["a removed charge", `DELETE FROM charge ${OF_A1} AND sequence = 2`, "sequence"],
  ["a removed newest charge", `DELETE FROM charge ${OF_A1} AND sequence = 5`, "digest"],
  ["a charge moved to another account", `UPDATE charge SET account = 'a3' ${OF_A1} AND sequence = 5`, "sequence"],
  ["more credits in the pool", `UPDATE pool SET granted_nano = granted_nano + 1 ${OF_A1}`, "balance"],
  ["less spent", `UPDATE pool SET spent_nano = spent_nano - 1 ${OF_A1}`, "balance"],
  ["less overdraft or more", `UPDATE pool SET overdraft_nano = overdraft_nano + 1 ${OF_A1}`, "balance"],
  ["more held", `UPDATE pool SET held_nano = held_nano + 1 ${OF_A1}`, "balance"],
  ["a removed pool", `DELETE FROM pool ${OF_A1}`, "pool"],
  [
    "a larger grant",
    `UPDATE credit_grant SET remaining_nano = remaining_nano + 1 ${OF_A1} AND grant_id = 'g2'`,
    "balance",
  ],
  [
    "a grant set aside for nobody",
    `UPDATE credit_grant SET pinned_nano = pinned_nano + 1 ${OF_A1} AND grant_id = 'g2'`,
    "hold",
  ],
  ["a removed grant", `DELETE FROM credit_grant ${OF_A1} AND grant_id = 'g2'`, "balance"],
  ["a hold reopened", `UPDATE hold SET state = 'OPEN' ${OF_A1} AND hold_id = 'h-settled'`, "balance"],
  ["a hold with another charge", `UPDATE hold SET charge_sequence = 3 ${OF_A1} AND hold_id = 'h-settled'`, "hold"],
  ["a larger transfer", `UPDATE transfer SET amount_nano = amount_nano + 1 ${OF_A1} AND code = 'USAGE'`, "transfers"],
  ["a removed transfer", `DELETE FROM transfer ${OF_A1} AND sequence = 2`, "sequence"],
  ["a larger rollup", `UPDATE rollup SET amount_nano = amount_nano + 1 ${OF_A1}`, "rollup"],
  ["a rollup that saved more", `UPDATE rollup SET list_nano = list_nano + 1 ${OF_A1}`, "rollup"],
  ["a rollup of more tokens", `UPDATE rollup SET output = output + 1 ${OF_A1}`, "rollup"],
  ["a removed rollup", `DELETE FROM rollup ${OF_A1}`, "rollup"],
  [
    "another price in the book",
    "UPDATE price_item SET price_pico = price_pico + 5000 WHERE component = 'OUTPUT'",
    "price",
  ],
])("%s is found", async (_what, sql, rule) => {
  tamper(sql);
  const found = await verify();
  const rules = found.flatMap((one) => one.differences.map((difference) => difference.rule));
  expect(rules).toContain(rule);
  if (rule === "price") expect(rules).toContain("price-version");
  else expect(found.find((one) => one.account === "a2")?.differences).toEqual([]);
});

test("a verification ends soon after its caller left", async () => {
  const leaving = new AbortController();
  leaving.abort();
  const found: VerifiedAccount[] = [];
  for await (const one of store.ledger.verify(undefined, "", leaving.signal)) found.push(one);
  expect(found.map(({ account }) => account)).toEqual([""]);
});

test("quantities that stopped at what 64 bits hold are no difference, however the charges came in batches", async () => {
  const { ledger } = store;
  const items = [item("DISK", 1n, 1_000_000_000_000n)];
  await ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
  const many = (ids: readonly string[]) =>
    ids.map((id) => recordOf(id, { kind: "DISK", byteSeconds: LIMITS.byteSecondsMax }, { occurMs: clock.nowMs() }));
  const record = (ids: readonly string[]) =>
    ledger.recordUsage(many(ids), RECORDER, testMutation("a1", "usage.recorded"));
  const results = [...(await record(["x1", "x2"])), ...(await record(["x3"]))];
  expect(results.map(({ outcome }) => outcome)).toEqual(["CREATED", "CREATED", "CREATED"]);
  const newest = (await ledger.listCharges("a1", 1))[0]?.sequence ?? 0;
  await ledger.reverseCharge("a1", newest, testMutation("a1", "charge.reversed"));
  expect((await verify("a1")).flatMap(({ differences }) => differences)).toEqual([]);
});
