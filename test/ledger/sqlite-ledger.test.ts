import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { emptyPool } from "../../src/ledger/account-state.ts";
import type { ChargeRow, RollupRow } from "../../src/ledger/rows.ts";
import { type LedgerWrites, WorkingSet } from "../../src/ledger/working-set.ts";
import { createLedgerLoader } from "../../src/store/sqlite/ledger-loader.ts";
import { createLedgerWriter } from "../../src/store/sqlite/ledger-writes.ts";
import { migrate } from "../../src/store/sqlite/migrate.ts";
import { type Connection, openWriter } from "../../src/store/sqlite/open-database.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { NOW_MS } from "./fixtures.ts";

const MAX = 2n ** 63n - 1n;
let directory: ReturnType<typeof temporaryDirectory>;
let db: Connection;
let write: (writes: LedgerWrites) => void;
let nothing: LedgerWrites;

beforeEach(() => {
  directory = temporaryDirectory();
  db = openWriter(join(directory.path, "test.db"));
  migrate(db, NOW_MS);
  write = createLedgerWriter(db);
  nothing = new WorkingSet(createLedgerLoader(db)).drain();
});
afterEach(() => {
  db.close();
  directory.remove();
});

const ROLLUP: RollupRow = {
  account: "a1",
  hour: 1,
  agent: "g1",
  kind: "DISK",
  payer: "HOSTED",
  provider: "",
  model: "",
  charges: 1,
  amountNano: 1n,
  listNano: MAX - 1n,
  quantities: {
    INPUT_UNCACHED: 0n,
    CACHE_READ: 0n,
    CACHE_WRITE: 0n,
    OUTPUT: 0n,
    REASONING: 0n,
    VCPU: 0n,
    MEMORY: 0n,
    DISK: MAX - 5n,
  },
};

const CHARGE: ChargeRow = {
  account: "a1",
  sequence: 1,
  kind: "MODEL_CALL",
  usageId: "u1",
  agent: "g1",
  payer: "HOSTED",
  amountNano: MAX,
  listNano: MAX,
  overdraftNano: MAX,
  estimated: false,
  priceVersion: 1,
  lines: [
    { component: "OUTPUT", quantity: 1n, pricePico: MAX, unitCount: 1n, amountNano: MAX, listNano: MAX },
    { component: "CACHE_READ", quantity: 1n, pricePico: 0n, unitCount: 0n, amountNano: 0n, listNano: undefined },
  ],
  allocations: [{ grantId: 'odd"id', amountNano: MAX }],
  provider: "openai",
  model: "m",
  upstreamModel: "m",
  routeId: "r1",
  holdId: "",
  callId: "call",
  attempt: 1,
  outcome: "SUCCEEDED",
  keyVersion: 1,
  providerCostUsdNano: MAX,
  providerRequestId: "",
  recordText: "{}",
  occurMs: NOW_MS,
  recordMs: NOW_MS,
  reverses: 0,
};

test("a rollup's quantities stop at what 64 bits hold rather than fail the transaction; its amount stays exact", () => {
  write({ ...nothing, rollups: [ROLLUP] });
  write({ ...nothing, rollups: [ROLLUP] });
  expect(db.prepare("SELECT charges, amount_nano, list_nano, disk, vcpu FROM rollup").all()).toEqual([
    { charges: 2n, amount_nano: 2n, list_nano: MAX, disk: MAX, vcpu: 0n },
  ]);
});

test("a charge comes back as it was written, up to the largest amounts", () => {
  write({ ...nothing, charges: [CHARGE], pools: [emptyPool("a1")] });
  const loader = createLedgerLoader(db);
  expect(loader.chargeByUsage("a1", "MODEL_CALL", "u1")).toEqual(CHARGE);
  expect(loader.chargeByCall("a1", "call", 1)).toEqual(CHARGE);
  expect(loader.chargeByCall("a2", "call", 1)).toBeUndefined();
});

test.each([
  ["a second charge for a usage id", { sequence: 2, callId: "other" }],
  ["a second charge for a try of a call", { sequence: 2, usageId: "other" }],
  ["a second charge with a sequence", { usageId: "other", callId: "other" }],
  ["a charge to the user's own key that costs", { sequence: 2, usageId: "other", callId: "other", payer: "BYOK" }],
  ["more overdraft than the charge", { sequence: 2, usageId: "other", callId: "other", amountNano: 1n }],
] as const)("the table itself refuses %s", (_what, change) => {
  write({ ...nothing, charges: [CHARGE], pools: [emptyPool("a1")] });
  expect(() => write({ ...nothing, charges: [{ ...CHARGE, ...change }], pools: [emptyPool("a1")] })).toThrow(
    /constraint/i,
  );
});

test("a captured hold is not resolved a second time, even if a decision wanted to", () => {
  const hold = {
    account: "a1",
    holdId: "h1",
    host: "h1",
    agent: "g1",
    callId: "call",
    routeId: "r1",
    model: "m",
    priceVersion: 1,
    inputTokens: 1n,
    requestedOutputTokens: 1n,
    maxOutputTokens: 1n,
    amountNano: 0n,
    pins: [],
    createMs: NOW_MS,
    expireMs: NOW_MS + 1,
    state: "OPEN" as "OPEN" | "CAPTURED",
    resolveMs: undefined as number | undefined,
    chargeSequence: undefined as number | undefined,
    usedSoFar: "",
  };
  write({ ...nothing, newHolds: [hold] });
  const captured = { ...hold, state: "CAPTURED" as const, resolveMs: NOW_MS, chargeSequence: 1 };
  write({ ...nothing, changedHolds: [captured] });
  expect(() => write({ ...nothing, changedHolds: [{ ...captured, chargeSequence: 2 }] })).toThrow("resolved twice");
  expect(createLedgerLoader(db).holdByCall("a1", "call")).toEqual(captured);
});
