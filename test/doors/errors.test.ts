import { request as httpsRequest } from "node:https";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PloriError, REASONS, type Reason, type Refusal } from "../../src/base/errors.ts";
import { LIMITS } from "../../src/base/limits.ts";
import type { Log } from "../../src/base/log.ts";
import type { Minted } from "../../src/doors/mint-certificate.ts";
import { CODE_NUMBERS } from "../../src/doors/status.ts";
import { GetBalanceRequestSchema } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { openTestDoors, type TestDoors } from "../support/doors.ts";
import { mintSvid } from "../support/pki.ts";
import { callOnce, reasonOf } from "../support/raw-call.ts";

const BALANCE = "plori.ledger.v1.LedgerService/GetBalance";
const CONNECT_KEY = "plori.keyvault.v1.KeyVaultService/ConnectKey";

let doors: TestDoors;
let client: Minted;
let toThrow: unknown;
const logged: string[] = [];
const log: Log = {
  debug() {},
  info() {},
  warn() {},
  error: (message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`),
};

beforeAll(async () => {
  doors = await openTestDoors({ ledger: { getBalance: () => Promise.reject(toThrow) } }, { log });
  client = await mintSvid(doors.authority, "/settings/s1");
});
afterAll(() => doors.close());

function call(port: number, rpc = BALANCE, message?: Uint8Array) {
  return callOnce(port, doors.authority.cert, client, rpc, message);
}

function callJson(rpc: string, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: "localhost",
        port: doors.connectPort,
        path: `/${rpc}`,
        method: "POST",
        ca: doors.authority.cert,
        cert: client.cert,
        key: client.key,
        agent: false,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

describe("a refusal looks the same through both doors, to the byte:", () => {
  const refusals: Refusal[] = (Object.keys(REASONS) as Reason[]).map((reason) => ({
    reason,
    message: `What happened, and what to do: 50% of "é" (${reason}).`,
    metadata: { one: "1", two: "zwei, drei" },
  }));
  refusals.push({
    reason: "FIELDS_INVALID",
    message: "Two fields are wrong.",
    violations: [
      { field: "records[2].usage_id", description: "must be there" },
      { field: "account", description: "must be short" },
    ],
  });
  refusals.push({ reason: "KEY_RATE_LIMITED", message: "Later.", retryAfterMs: 1_234.5 });
  for (const refusal of refusals)
    test(`${refusal.reason}: ${refusal.message.slice(0, 20)}`, async () => {
      toThrow = new PloriError(refusal);
      const [grpc, connect] = await Promise.all([call(doors.grpcPort), call(doors.connectPort)]);
      expect(connect.detailsBase64).toBe(grpc.detailsBase64);
      expect(decodeURIComponent(connect.message)).toBe(decodeURIComponent(grpc.message));
      expect(grpc.code).toBe(CODE_NUMBERS[REASONS[refusal.reason].code]);
      expect(connect.code).toBe(grpc.code);
      expect(reasonOf(grpc)).toBe(refusal.reason);
      expect(grpc.status?.message).toBe(refusal.message);
      const kinds = grpc.status?.details.map(({ typeUrl }) => typeUrl.split(".").at(-1));
      expect(kinds).toEqual([
        "ErrorInfo",
        ...(refusal.violations === undefined ? [] : ["BadRequest"]),
        ...("retryAfterMs" in REASONS[refusal.reason] ? ["RetryInfo"] : []),
      ]);
    });
});

test.each(["gRPC", "Connect"])(
  "an error that is not ours is told without its text on the %s door, and logged under its id",
  async (door) => {
    toThrow = new Error("the database said: hunter2");
    logged.length = 0;
    const answer = await call(door === "gRPC" ? doors.grpcPort : doors.connectPort);
    expect([answer.code, reasonOf(answer)]).toEqual([13, "INTERNAL"]);
    const told = Buffer.from(answer.detailsBase64, "base64").toString("latin1") + decodeURIComponent(answer.message);
    expect(told).not.toContain("hunter2");
    const requestId = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(told)?.[0];
    expect(requestId).toBeDefined();
    expect(logged.join()).toContain(requestId);
  },
);

test.each([undefined, null, "a string", { code: 5, details: "not found", message: "x" }])(
  "even %j, thrown, is a fault of ours",
  async (thrown) => {
    toThrow = thrown;
    for (const port of [doors.grpcPort, doors.connectPort]) expect((await call(port)).code).toBe(13);
  },
);

test("a hundred thousand violations still fit into a trailer", async () => {
  const violations = Array.from({ length: 100_000 }, (_, i) => ({ field: `records[${i}].x`, description: "is wrong" }));
  toThrow = new PloriError({ reason: "FIELDS_INVALID", message: "m".repeat(100_000), violations });
  for (const port of [doors.grpcPort, doors.connectPort]) {
    const answer = await call(port);
    expect(reasonOf(answer)).toBe("FIELDS_INVALID");
    expect(answer.detailsBase64.length + answer.message.length).toBeLessThan(8 * 1024);
  }
});

test("a request that does not parse is the caller's mistake, in the same words on both doors", async () => {
  const rubbish = Buffer.from("ffffffffff", "hex");
  const answers = await Promise.all([
    call(doors.grpcPort, BALANCE, rubbish),
    call(doors.connectPort, BALANCE, rubbish),
  ]);
  for (const answer of answers) {
    expect([answer.code, reasonOf(answer)]).toEqual([3, "FIELDS_INVALID"]);
    expect(answer.detailsBase64).toBe(answers[0]?.detailsBase64);
  }
});

test.each(["not JSON", "a field of the wrong type"])(
  "a secret in a body that is %s is not quoted back",
  async (what) => {
    const secret = ["sk", "proj", "0123456789abcdef"].join("-");
    const body = what === "not JSON" ? `{"secret":"${secret}"` : `{"secret":["${secret}"],"provider":"${secret}"}`;
    const answer = await callJson(CONNECT_KEY, body);
    expect(answer.status).toBe(400);
    expect(answer.body).not.toContain("0123456789");
    expect(JSON.parse(answer.body)).toMatchObject({
      code: "invalid_argument",
      details: [{ type: "google.rpc.ErrorInfo" }],
    });
  },
);

test("a message over the limit is refused as such on both doors, and one at the limit is read", async () => {
  const sized = (bytes: number) => {
    const frame = toBinary(GetBalanceRequestSchema, create(GetBalanceRequestSchema, { account: "a".repeat(bytes) }));
    return bytes - (frame.length - bytes);
  };
  toThrow = new PloriError({ reason: "KEY_NOT_FOUND", message: "Read it." });
  for (const port of [doors.grpcPort, doors.connectPort]) {
    const account = (length: number) =>
      toBinary(GetBalanceRequestSchema, create(GetBalanceRequestSchema, { account: "a".repeat(length) }));
    expect((await call(port, BALANCE, account(sized(LIMITS.requestMaxBytes)))).code).toBe(5);
    expect((await call(port, BALANCE, account(LIMITS.requestMaxBytes + 1))).code).toBe(8);
  }
});

test("an RPC that does not exist is unimplemented or not found", async () => {
  expect((await call(doors.grpcPort, "plori.ledger.v1.LedgerService/Nothing")).code).toBe(12);
  await expect(call(doors.connectPort, "plori.ledger.v1.LedgerService/Nothing")).rejects.toThrow("HTTP 404");
});
