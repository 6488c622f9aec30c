import { type Any, anyUnpack, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { RecordOutcome, type RecordResult } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { Payer, Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { readRows } from "./database.ts";
import { callRecord, DOORS, diskRecord, given, type House, nano, openHouse } from "./house.ts";
import { refused } from "./refusal.ts";

/** Of the development price book: 0.75 and 4.50 US dollars a million tokens, a hundred credits to the dollar. */
const MODEL = "openai/gpt-5.4-mini";
const INPUT_NANO = 75_000n;
const OUTPUT_NANO = 450_000n;
/** What a hold assumes at least. */
const INPUT_FLOOR = 1_024n;
/** A catalogued model that plori does not sell, since its price is not known. */
const UNSOLD_MODEL = "openai/gpt-6-sol";

let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.connectOwn("platform", "openai");
});
afterAll(() => house.close());

async function balanceOf(account: string) {
  const { balance } = await house.as("billing", "connect").ledger.getBalance({ account });
  const { available, held, spent, overdraft, granted } = given(balance);
  return {
    available: nano(available),
    held: nano(held),
    spent: nano(spent),
    overdraft: nano(overdraft),
    granted: nano(granted),
  };
}

type Host = "agent-host-1" | "agent-host-2" | "recorder";

async function record(one: ReturnType<typeof callRecord>, by: Host = "agent-host-1"): Promise<RecordResult> {
  const { results } = await house.as(by).ledger.recordUsage({ records: [one] });
  return given(results[0]);
}

async function openAccount(account: string, nanos: bigint): Promise<void> {
  await house.place(account, "agent");
  await house.grant(account, { units: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) });
}

function whyRejected({ status }: RecordResult) {
  const details: readonly Any[] = given(status).details;
  const info = details.map((detail) => anyUnpack(detail, ErrorInfoSchema)).find((found) => found !== undefined);
  return { code: status?.code, reason: info?.reason, metadata: { ...info?.metadata } };
}

describe("a hosted call", () => {
  test("sets the worst case aside, then costs what was used, and the rest is free again", async () => {
    const account = "capture";
    await openAccount(account, 10_000_000_000n);
    const route = await house.resolve({
      account,
      model: MODEL,
      callId: "c1",
      inputTokens: 2_000n,
      maxOutputTokens: 1_000n,
    });
    const heldNano = 2_000n * INPUT_NANO + 1_000n * OUTPUT_NANO;
    expect(route).toMatchObject({
      payer: Payer.HOSTED,
      key: "",
      maxOutputTokens: 1_000n,
      upstreamModel: "gpt-5.4-mini",
    });
    expect(route.reuseUntilTime).toBeUndefined();
    expect(nano(route.hold?.amount)).toBe(heldNano);
    expect(await balanceOf(account)).toMatchObject({
      held: heldNano,
      available: 10_000_000_000n - heldNano,
      spent: 0n,
    });
    const usage = { inputUncachedTokens: 1_000n, outputTokens: 200n };
    const { outcome, charge } = await record(
      callRecord({ account, usageId: "u1", route: route.route, callId: "c1" }, usage),
    );
    const costNano = 1_000n * INPUT_NANO + 200n * OUTPUT_NANO;
    expect(outcome).toBe(RecordOutcome.CREATED);
    expect(charge).toMatchObject({
      payer: Payer.HOSTED,
      hold: given(route.hold).name,
      route: route.route,
      model: MODEL,
    });
    expect(nano(charge?.amount)).toBe(costNano);
    expect(await balanceOf(account)).toMatchObject({
      held: 0n,
      available: 10_000_000_000n - costNano,
      spent: costNano,
    });
  });

  test("asked for again by the same host it has the same hold, released and audited anew; from elsewhere it is a plain denial; once settled it is over", async () => {
    const account = "replay";
    await openAccount(account, 10_000_000_000n);
    await house.place(account, "other", "agent-host-2");
    const wanted = { account, model: MODEL, callId: "c1", maxOutputTokens: 500n } as const;
    const first = await house.resolve(wanted);
    const again = await house.resolve({ ...wanted, door: "connect" });
    expect(again.hold).toEqual(first.hold);
    expect(again.route).not.toBe(first.route);
    const released = "SELECT subject FROM audit WHERE account = ? AND kind = 'credential.released' ORDER BY seq";
    expect(readRows(house.service.dataDir, released, account)).toEqual(
      [first, again].map(({ route }) => ({ subject: `routes/${route}` })),
    );
    expect((await balanceOf(account)).held).toBe(nano(first.hold?.amount));
    expect(await refused(house.resolve({ ...wanted, maxOutputTokens: 501n }))).toMatchObject({
      code: "AlreadyExists",
      reason: "REQUEST_ID_CONFLICT",
      metadata: { differing_fields: "estimate.max_output_tokens" },
    });
    const elsewhere = await refused(house.resolve({ ...wanted, host: "agent-host-2", agent: "other" }));
    const nowhere = await refused(house.resolve({ ...wanted, host: "agent-host-2", agent: "nobody" }));
    expect(elsewhere).toMatchObject({ code: "PermissionDenied", reason: "AGENT_NOT_PLACED" });
    expect(elsewhere).toEqual(nowhere);
    // The hold is captured once, whichever of its routes the report names.
    const usage = { inputUncachedTokens: 10n, outputTokens: 10n };
    const { charge } = await record(callRecord({ account, usageId: "u1", route: again.route, callId: "c1" }, usage));
    expect(charge?.hold).toBe(given(first.hold).name);
    expect(await refused(house.resolve(wanted))).toMatchObject({ code: "FailedPrecondition", reason: "CALL_SETTLED" });
    expect((await balanceOf(account)).held).toBe(0n);
  });

  test("gets fewer output tokens when the credits cover no more, then none at all", async () => {
    const account = "poor";
    const spare = 300n;
    await openAccount(account, INPUT_FLOOR * INPUT_NANO + spare * OUTPUT_NANO + 5n);
    const route = await house.resolve({ account, model: MODEL, callId: "c1", maxOutputTokens: 4_000n });
    expect(route.maxOutputTokens).toBe(spare);
    expect(nano(route.hold?.amount)).toBe(INPUT_FLOOR * INPUT_NANO + spare * OUTPUT_NANO);
    for (const door of DOORS) {
      expect(await refused(house.resolve({ account, model: MODEL, callId: "c2", door }))).toMatchObject({
        code: "FailedPrecondition",
        reason: "CREDITS_EXHAUSTED",
        metadata: { available: "0.000000005" },
      });
    }
    expect(readRows(house.service.dataDir, "SELECT call_id FROM route WHERE account = ?", account)).toEqual([
      { call_id: "c1" },
    ]);
  });

  test("that used more than its hold is recorded all the same: the excess is overdraft, and a grant makes it good first", async () => {
    const account = "overdrawn";
    await openAccount(account, 200_000_000n);
    const route = await house.resolve({ account, model: MODEL, callId: "c1", maxOutputTokens: 256n });
    const usage = { outputTokens: 1_000n };
    const { charge } = await record(callRecord({ account, usageId: "u1", route: route.route, callId: "c1" }, usage));
    expect(nano(charge?.overdraftAmount)).toBe(250_000_000n);
    expect(await balanceOf(account)).toMatchObject({
      available: 0n,
      held: 0n,
      spent: 450_000_000n,
      overdraft: 250_000_000n,
    });
    expect(await refused(house.resolve({ account, model: MODEL, callId: "c2" }))).toMatchObject({
      reason: "CREDITS_EXHAUSTED",
    });
    await house.grant(account, { units: 1n });
    expect(await balanceOf(account)).toMatchObject({ available: 750_000_000n, overdraft: 0n });
  });

  test("of a model that nobody sells is MODEL_UNKNOWN, never free", async () => {
    await openAccount("unsold", 10_000_000_000n);
    const refusal = await refused(house.resolve({ account: "unsold", model: UNSOLD_MODEL, callId: "c1" }));
    expect(refusal).toMatchObject({ code: "NotFound", reason: "MODEL_UNKNOWN" });
    expect((await balanceOf("unsold")).held).toBe(0n);
  });

  test("200 at once on a small balance never hold more than there is", async () => {
    const account = "crowd";
    const grantedNano = 5_000_000_000n;
    await openAccount(account, grantedNano);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) =>
        house.resolve({
          account,
          model: MODEL,
          callId: `c-${index}`,
          maxOutputTokens: 1_000n,
          door: index % 4 === 0 ? "connect" : "grpc",
        }),
      ),
    );
    const routes = outcomes.filter((outcome) => outcome.status === "fulfilled").map(({ value }) => value);
    const heldNano = routes.reduce((sum, { hold }) => sum + nano(hold?.amount), 0n);
    // Nine whole holds, and what is left covers a tenth with fewer tokens.
    expect(routes).toHaveLength(10);
    expect(heldNano).toBeLessThanOrEqual(grantedNano);
    expect(await balanceOf(account)).toMatchObject({
      held: heldNano,
      available: grantedNano - heldNano,
      overdraft: 0n,
    });
    const refusals = outcomes.filter((outcome) => outcome.status === "rejected");
    for (const { reason } of refusals.slice(0, 20)) {
      expect(await refused(Promise.reject(reason))).toMatchObject({ reason: "CREDITS_EXHAUSTED" });
    }
    const holds = "SELECT count(*) AS n, sum(amount_nano) AS nano FROM hold WHERE account = ? AND state = 'OPEN'";
    expect(readRows(house.service.dataDir, holds, account)).toEqual([{ n: 10, nano: Number(heldNano) }]);
  });
});

describe("a call on the user's own key", () => {
  test("costs no credits, holds none, and shows what it would have cost", async () => {
    const account = "own";
    await house.place(account, "agent");
    await house.connectOwn(account, "openai");
    const route = await house.resolve({ account, model: MODEL, callId: "c1" });
    expect(route).toMatchObject({ payer: Payer.BYOK, key: `accounts/${account}/keys/openai`, maxOutputTokens: 0n });
    expect(route.hold).toBeUndefined();
    // A lease: two calls over one route, each under its own id.
    for (const callId of ["c1", "c2"]) {
      const usage = { inputUncachedTokens: 1_000n, outputTokens: 100n };
      const { charge } = await record(
        callRecord({ account, usageId: `u-${callId}`, route: route.route, callId }, usage),
      );
      expect(charge).toMatchObject({ payer: Payer.BYOK, keyVersion: 1n, hold: "" });
      expect(nano(charge?.amount)).toBe(0n);
      expect(nano(charge?.listAmount)).toBe(1_000n * INPUT_NANO + 100n * OUTPUT_NANO);
      for (const line of given(charge).lines) expect(nano(line.amount)).toBe(0n);
    }
    expect(await balanceOf(account)).toEqual({ available: 0n, held: 0n, spent: 0n, overdraft: 0n, granted: 0n });
  });

  test("of a model without a price costs no credits either, and has no list price", async () => {
    const route = await house.resolve({ account: "own", model: UNSOLD_MODEL, callId: "c3" });
    const usage = { inputUncachedTokens: 1_000n, outputTokens: 100n };
    const { charge } = await record(
      callRecord({ account: "own", usageId: "u3", route: route.route, callId: "c3" }, usage),
    );
    expect(nano(charge?.amount)).toBe(0n);
    expect(charge?.listAmount).toBeUndefined();
  });
});

describe("usage is recorded once", () => {
  test("the same record again is the first charge; another payload, or the same call under another id, is refused by its fields' names", async () => {
    const account = "once";
    await openAccount(account, 10_000_000_000n);
    const { route } = await house.resolve({ account, model: MODEL, callId: "c1" });
    const ids = { account, usageId: "u1", route, callId: "c1" };
    const first = callRecord(ids, { outputTokens: 10n });
    const { charge } = await record(first);
    expect(await record(first)).toMatchObject({ outcome: RecordOutcome.REPLAYED, charge });
    const other = { ...callRecord(ids, { outputTokens: 11n }), occurTime: first.occurTime, labels: { run: "7" } };
    const conflict = whyRejected(await record(other));
    expect(conflict).toMatchObject({ code: 6, reason: "USAGE_ID_CONFLICT", metadata: { usage_id: "u1" } });
    expect(conflict.metadata["differing_fields"]?.split(",").sort()).toEqual(["labels", "output_tokens"]);
    expect(whyRejected(await record({ ...first, usageId: "u2" }))).toMatchObject({
      reason: "USAGE_ID_CONFLICT",
      metadata: { differing_fields: "usage_id", usage_id: "u1", call_id: "c1", attempt: "1" },
    });
    expect((await balanceOf(account)).spent).toBe(10n * OUTPUT_NANO);
  });

  test("only the host that received a route records on it, as late as it likes; to another it does not exist; the recorder may", async () => {
    const account = "late";
    await openAccount(account, 10_000_000_000n);
    const { route } = await house.resolve({ account, model: MODEL, callId: "c1" });
    await house.place(account, "agent", "agent-host-2", 2n);
    const one = callRecord({ account, usageId: "u1", route, callId: "c1" }, { outputTokens: 10n });
    expect(whyRejected(await record(one, "agent-host-2"))).toMatchObject({ code: 5, reason: "ROUTE_NOT_FOUND" });
    const absent = callRecord({ account, usageId: "u1", route: "absent", callId: "c1" }, { outputTokens: 10n });
    expect(whyRejected(await record(absent, "agent-host-2"))).toMatchObject({ code: 5, reason: "ROUTE_NOT_FOUND" });
    expect((await record(one)).outcome).toBe(RecordOutcome.CREATED);
    expect((await record(one, "recorder")).outcome).toBe(RecordOutcome.REPLAYED);
  });

  test("an agent host records no compute and no disk: that alone is rejected, and the calls beside it land", async () => {
    const account = "meters";
    await openAccount(account, 10_000_000_000n);
    const { route } = await house.resolve({ account, model: MODEL, callId: "c1" });
    const call = callRecord({ account, usageId: "u1", route, callId: "c1" }, { outputTokens: 10n });
    const { results } = await house
      .as("agent-host-1")
      .ledger.recordUsage({ records: [diskRecord(account, "d1"), call] });
    expect(whyRejected(given(results[0]))).toMatchObject({ code: 7, reason: "ROLE_NOT_ALLOWED" });
    expect(results[1]?.outcome).toBe(RecordOutcome.CREATED);
  });

  test("200 reports of one call at once, through both doors, make one charge", async () => {
    const account = "echo";
    await openAccount(account, 10_000_000_000n);
    const { route } = await house.resolve({ account, model: MODEL, callId: "c1" });
    const one = callRecord({ account, usageId: "u1", route, callId: "c1" }, { outputTokens: 10n });
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        house.as("agent-host-1", index % 4 === 0 ? "connect" : "grpc").ledger.recordUsage({ records: [one] }),
      ),
    );
    const results = answers.map(({ results: [result] }) => given(result));
    expect(results.filter(({ outcome }) => outcome === RecordOutcome.CREATED)).toHaveLength(1);
    expect(results.filter(({ outcome }) => outcome === RecordOutcome.REPLAYED)).toHaveLength(199);
    expect(new Set(results.map(({ charge }) => charge?.name)).size).toBe(1);
    expect(await balanceOf(account)).toMatchObject({ spent: 10n * OUTPUT_NANO, held: 0n });
  });
});

describe("credits are granted once", () => {
  test("the same request id again is the first grant; another amount is refused", async () => {
    const wanted = {
      account: "gift",
      amount: { units: 3n },
      requestId: "3f2b6d3a-6a3b-4a55-9d0e-0b9d5c7a1f10",
    };
    const { ledger } = house.as("billing");
    const first = await ledger.grantCredits(wanted);
    expect(await ledger.grantCredits(wanted)).toEqual(first);
    expect(await refused(ledger.grantCredits({ ...wanted, amount: { units: 4n } }))).toMatchObject({
      code: "AlreadyExists",
      reason: "REQUEST_ID_CONFLICT",
      metadata: { differing_fields: "amount" },
    });
    expect((await balanceOf("gift")).granted).toBe(3_000_000_000n);
  });

  test("the same request id gives the first grant even when it has lapsed meanwhile", async () => {
    const { ledger } = house.as("billing");
    const wanted = {
      account: "lapsed",
      amount: { units: 3n },
      expireTime: timestampFromMs(Date.now() + 500),
      requestId: "3f2b6d3a-6a3b-4a55-9d0e-0b9d5c7a1f11",
    };
    const first = await ledger.grantCredits(wanted);
    await expect.poll(async () => (await balanceOf("lapsed")).available, { timeout: 10_000 }).toBe(0n);
    expect(await ledger.grantCredits(wanted)).toEqual(first);
    expect((await balanceOf("lapsed")).granted).toBe(3_000_000_000n);
  });

  test("a pin to a provider without a key is refused, never served on credits", async () => {
    await openAccount("pinned", 1_000_000_000n);
    const wanted = { account: "pinned", model: MODEL, callId: "c1", provider: Provider.OPENAI };
    expect(await refused(house.resolve(wanted))).toMatchObject({ reason: "PIN_WITHOUT_KEY" });
  });
});
