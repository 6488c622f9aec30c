import { join } from "node:path";
import { type Any, anyUnpack, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { DEVELOPMENT_TRUST_DOMAIN, ensureDevelopmentPki } from "../../src/doors/development-pki.ts";
import { BadRequestSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { RecordOutcome, type RecordResult } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { Payer } from "../../src/gen/plori/type/v1/type_pb.ts";
import { startProviderSimulators } from "../simulators/start.ts";
import { startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { callRecord, diskRecord, endSurely, furnish, given, type House, nano } from "./house.ts";
import { refused } from "./refusal.ts";

const AN_HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const SHIFT_CLOCK = ["--import", join(import.meta.dirname, "../support/shift-clock.ts")];
const MODEL = "openai/gpt-5.5";

/** The house with a service whose clock differs from everybody else's. */
async function openShiftedHouse(shiftMs: number): Promise<House> {
  const directory = temporaryDirectory();
  // Certificates that both clocks find valid: they are everybody's, and not what is tried here.
  const before = manualClock(Date.now() - AN_HOUR_MS);
  await ensureDevelopmentPki(join(directory.path, "pki"), { clock: before, trustDomain: DEVELOPMENT_TRUST_DOMAIN });
  const simulators = await startProviderSimulators();
  const service = await startService({
    dataDir: directory.path,
    providerUrls: simulators.providerUrlsJson,
    nodeArgs: SHIFT_CLOCK,
    env: { SHIFT_CLOCK_MS: String(shiftMs) },
  });
  return {
    ...furnish(service, simulators),
    async close() {
      await endSurely(service);
      await simulators.close();
      directory.remove();
    },
  };
}

type SomeRecord = ReturnType<typeof callRecord> | ReturnType<typeof diskRecord>;

/** Who may record it. */
function recorderOf({ kind }: SomeRecord): "agent-host-1" | "recorder" {
  return kind.case === "disk" ? "recorder" : "agent-host-1";
}

/** What is wrong with a rejected record, field by field. */
function fieldsOf({ status }: RecordResult): readonly string[] {
  const details: readonly Any[] = given(status).details;
  const bad = details.map((detail) => anyUnpack(detail, BadRequestSchema)).find((found) => found !== undefined);
  return given(bad).fieldViolations.map(({ field }) => field);
}

describe.each([
  { name: "an hour ahead of its callers", shiftMs: AN_HOUR_MS },
  { name: "an hour behind its callers", shiftMs: -AN_HOUR_MS },
])("a service whose clock is $name", ({ shiftMs }) => {
  let house: House;
  /** The service's time, as far as a caller can tell. */
  const serviceNowMs = () => Date.now() + shiftMs;
  beforeAll(async () => {
    house = await openShiftedHouse(shiftMs);
  });
  afterAll(() => house.close());

  /** The scheduler's own clock says when the placement ends. */
  function place(account: string, aheadMs: number, generation = 1n) {
    const expireTime = timestampFromMs(Date.now() + aheadMs);
    const placement = { account, agent: "agent", host: "agent-host-1", generation, expireTime };
    return house.as("scheduler").router.placeAgents({ placements: [placement] });
  }

  /** The record as a host tells it whose clock is right, or wrong by `offMs`. */
  async function record(one: SomeRecord, offMs = 0) {
    const told = { ...one, occurTime: timestampFromMs(Date.now() + offMs) };
    const { results } = await house.as(recorderOf(one)).ledger.recordUsage({ records: [told] });
    return given(results[0]);
  }

  test("serves for as long as is left by its own clock, and refuses a placement that is over there, or more than a day ahead", async () => {
    const soon = await refused(place("skewed", shiftMs > 0 ? 59 * MINUTE_MS : 24 * AN_HOUR_MS - MINUTE_MS));
    expect(soon).toMatchObject({ code: "InvalidArgument", fields: ["placements[0].expire_time"] });
    await place("skewed", shiftMs > 0 ? 61 * MINUTE_MS : 22 * AN_HOUR_MS);
    await house.connectOwn("skewed", "openai");
    const route = await house.resolve({ account: "skewed", model: MODEL, callId: "c1" });
    expect(route.payer).toBe(Payer.BYOK);
    // Told in the service's time, never later than the five minutes, nor than the placement.
    const leaseMs = timestampMs(given(route.reuseUntilTime)) - serviceNowMs();
    expect(leaseMs).toBeGreaterThan(0);
    expect(leaseMs).toBeLessThanOrEqual(shiftMs > 0 ? MINUTE_MS : 5 * MINUTE_MS);
  });

  test("charges what was used when the host's time is believable, and rejects that record alone when it is not, so that nothing is lost", async () => {
    await place("usage", 4 * AN_HOUR_MS);
    await house.connectOwn("usage", "openai");
    const { route } = await house.resolve({ account: "usage", model: MODEL, callId: "c1" });
    const tokens = { inputUncachedTokens: 100n, outputTokens: 10n };
    const call = callRecord({ account: "usage", usageId: "c1", route, callId: "c1" }, tokens);
    const meter = diskRecord("usage", "disk/1");
    if (shiftMs > 0) {
      // To the service the call was an hour ago.
      expect(await record(call)).toMatchObject({ outcome: RecordOutcome.CREATED });
      expect(await record(meter)).toMatchObject({ outcome: RecordOutcome.CREATED });
      return;
    }
    // To the service the call is an hour ahead: no charge may wait in the future.
    const early = await record(call);
    expect(early.outcome).toBe(RecordOutcome.REJECTED);
    expect(fieldsOf(early)).toEqual(["occur_time"]);
    expect(fieldsOf(await record(meter))).toEqual(["occur_time"]);
    // The rejected id is not spent: with a time that the service takes, the same call lands, once.
    const told = await record(call, shiftMs);
    expect(told).toMatchObject({ outcome: RecordOutcome.CREATED });
    expect(nano(given(told.charge).amount)).toBe(0n);
  });

  test("ends holds by its own clock: one that was just placed is open, settles, and its price is the one of now", async () => {
    await place("hosted", 4 * AN_HOUR_MS);
    await house.connectOwn("platform", "openai");
    await house.grant("hosted", { units: 100n });
    const { route, hold } = await house.resolve({ account: "hosted", model: MODEL, callId: "c1" });
    const leftMs = timestampMs(given(hold?.expireTime)) - serviceNowMs();
    expect(leftMs).toBeGreaterThan(14 * MINUTE_MS);
    expect(leftMs).toBeLessThanOrEqual(15 * MINUTE_MS);
    const tokens = { inputUncachedTokens: 100n, outputTokens: 10n };
    const call = callRecord({ account: "hosted", usageId: "c1", route, callId: "c1" }, tokens);
    const { charge } = await record(call, shiftMs);
    expect(nano(given(charge).amount)).toBeGreaterThan(0n);
    const { balance } = await house.as("settings").ledger.getBalance({ account: "hosted" });
    expect(nano(given(balance).held)).toBe(0n);
  });
});
