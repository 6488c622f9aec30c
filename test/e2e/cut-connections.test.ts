import { constants } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CallOutcome, UsageState } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { RecordOutcome, RecordUsageRequestSchema } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { ResolveRouteRequestSchema } from "../../src/gen/plori/router/v1/router_service_pb.ts";
import { type CuttingProxy, openCuttingProxy } from "../support/cutting-proxy.ts";
import { createGrpcJsTransport } from "../support/grpc-transport.ts";
import { openSession } from "../support/raw-call.ts";
import { type CallerName, type Clients, clientsOver } from "../support/service-process.ts";
import { readRows } from "./database.ts";
import { callRecord, DOORS, type DoorName, diskRecord, given, type House, nano, openHouse } from "./house.ts";

const MODEL = "openai/gpt-5.5";
const SEEN_MAX_MS = 10_000;
let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.connectOwn("platform", "openai");
  for (const account of ["cut-grpc", "cut-connect", "reset"]) {
    await house.place(account, "agent");
    await house.grant(account, { units: 100n });
  }
});
afterAll(() => house.close());

function rowsOf(table: "charge" | "hold", account: string): number {
  const [row] = readRows(house.service.dataDir, `SELECT count(*) AS n FROM ${table} WHERE account = ?`, account);
  return Number(row?.["n"]);
}

function clientsThrough(proxy: CuttingProxy, caller: CallerName, door: DoorName): Clients {
  const pem = house.service.pem(caller);
  return clientsOver(
    door === "grpc"
      ? createGrpcJsTransport(proxy.port, pem)
      : createConnectTransport({ baseUrl: `https://localhost:${proxy.port}`, httpVersion: "2", nodeOptions: pem }),
  );
}

describe.each(DOORS)("a connection by the %s door that is cut between the commit and its answer", (door) => {
  const account = `cut-${door}`;
  const openProxy = () => openCuttingProxy(door === "grpc" ? house.service.grpcPort : house.service.connectPort);

  test("leaves its record there, and the same record again is REPLAYED with the one charge", async () => {
    const proxy = await openProxy();
    try {
      const recorder = clientsThrough(proxy, "recorder", door);
      await recorder.ledger.recordUsage({ records: [diskRecord(account, "warm")] });
      const before = rowsOf("charge", account);
      const records = [diskRecord(account, "cut-1"), diskRecord(account, "cut-2")];
      proxy.holdAnswers();
      const cut = recorder.ledger.recordUsage({ records }).then(
        () => "answered",
        () => "cut",
      );
      await expect.poll(() => rowsOf("charge", account), { timeout: SEEN_MAX_MS }).toBe(before + 2);
      proxy.cut();
      expect(await cut).toBe("cut");
      const { results } = await clientsThrough(proxy, "recorder", door).ledger.recordUsage({ records });
      expect(results.map(({ outcome }) => outcome)).toEqual([RecordOutcome.REPLAYED, RecordOutcome.REPLAYED]);
      expect(results.map(({ charge }) => charge?.usageId)).toEqual(["cut-1", "cut-2"]);
      expect(rowsOf("charge", account)).toBe(before + 2);
    } finally {
      await proxy.close();
    }
  });

  test("leaves its hold there, and the same call again gets that one hold", async () => {
    const proxy = await openProxy();
    try {
      const request = { account, agent: "agent", model: MODEL, callId: "cut", estimate: { maxOutputTokens: 100n } };
      const warm = clientsThrough(proxy, "agent-host-1", door);
      await warm.router.resolveRoute({ ...request, callId: "warm" });
      const before = rowsOf("hold", account);
      proxy.holdAnswers();
      const cut = warm.router.resolveRoute(request).then(
        () => "answered",
        () => "cut",
      );
      await expect.poll(() => rowsOf("hold", account), { timeout: SEEN_MAX_MS }).toBe(before + 1);
      proxy.cut();
      expect(await cut).toBe("cut");
      const { route } = await clientsThrough(proxy, "agent-host-1", door).router.resolveRoute(request);
      expect(route?.hold?.name).toMatch(/^accounts\//);
      expect(rowsOf("hold", account)).toBe(before + 1);
      const records = [
        callRecord({ account, usageId: "cut", route: given(route).route, callId: "cut" }, { outputTokens: 10n }),
      ];
      const { results } = await house.as("agent-host-1").ledger.recordUsage({ records });
      expect(results[0]?.outcome).toBe(RecordOutcome.CREATED);
    } finally {
      await proxy.close();
    }
  });
});

/** Sends a whole unary request by HTTP/2 and resets its stream `afterMs` later, as a caller does that gave up. */
async function sendAndReset(caller: CallerName, rpc: string, message: Uint8Array, afterMs: number): Promise<void> {
  const pem = house.service.pem(caller);
  const session = openSession(house.service.grpcPort, pem.ca, pem);
  const stream = session.request({
    ":method": "POST",
    ":path": `/${rpc}`,
    "content-type": "application/grpc+proto",
    te: "trailers",
  });
  stream.on("error", () => {});
  // An answer that was faster than the reset must be taken: a stream with unread bytes in it does not close.
  stream.resume();
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  const closed = new Promise<void>((resolve) => stream.once("close", () => resolve()));
  stream.end(frame, () => setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), afterMs));
  await closed;
  session.destroy();
}

test("a caller that resets its stream in the middle of a call leaves usage that is recorded once or not at all, and the retry settles which", async () => {
  const rounds = 12;
  for (let round = 0; round < rounds; round += 1) {
    const records = [diskRecord("reset", `r-${round}-a`), diskRecord("reset", `r-${round}-b`)];
    const message = toBinary(RecordUsageRequestSchema, create(RecordUsageRequestSchema, { records }));
    await sendAndReset("recorder", "plori.ledger.v1.LedgerService/RecordUsage", message, round % 4);
    const { results } = await house.as("recorder").ledger.recordUsage({ records });
    // Both of a request or none of it: it was one transaction.
    const outcomes = new Set(results.map(({ outcome }) => outcome));
    expect(outcomes.size).toBe(1);
    expect([RecordOutcome.CREATED, RecordOutcome.REPLAYED]).toContain([...outcomes][0]);
    expect(rowsOf("charge", "reset")).toBe(2 * (round + 1));
  }
});

test("a host that left after it had asked for a route has a hold that its retry finds; a call that broke off in the middle of its stream is charged by estimate when nobody tells what it used", async () => {
  const callId = "left";
  const request = { account: "reset", agent: "agent", model: MODEL, callId, estimate: { inputTokens: 1_000n } };
  const message = toBinary(ResolveRouteRequestSchema, create(ResolveRouteRequestSchema, request));
  for (let round = 0; round < 4; round += 1)
    await sendAndReset("agent-host-1", "plori.router.v1.RouterService/ResolveRoute", message, round);
  const { route } = await house.as("agent-host-1").router.resolveRoute(request);
  expect(rowsOf("hold", "reset")).toBe(1);
  // The provider answered 502 half-way: no usage object ever came.
  const record = callRecord({ account: "reset", usageId: callId, route: given(route).route, callId }, {});
  const { results } = await house.as("agent-host-1").ledger.recordUsage({
    records: [
      {
        ...record,
        kind: {
          case: "modelCall" as const,
          value: { ...record.kind.value, usage: { case: undefined }, outcome: CallOutcome.CANCELLED },
        },
      },
    ],
  });
  expect(results[0]).toMatchObject({ outcome: RecordOutcome.CREATED, charge: { usageState: UsageState.ESTIMATED } });
  expect(nano(results[0]?.charge?.amount)).toBeGreaterThan(0n);
});
