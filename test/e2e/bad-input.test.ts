import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyUnpack, timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LIMITS } from "../../src/base/limits.ts";
import { BadRequestSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { ConnectKeyRequestSchema } from "../../src/gen/plori/keyvault/v1/keyvault_service_pb.ts";
import type { CallOutcome, UsageRecordSchema } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { RecordOutcome } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { callOnce } from "../support/raw-call.ts";
import { BAD_REQUESTS } from "./bad-requests.ts";
import { countRows, readRows } from "./database.ts";
import { callRecord, DOORS, type DoorName, diskRecord, type House, nano, openHouse } from "./house.ts";
import { refused } from "./refusal.ts";

const LONG = "a".repeat(10_000);
const UNKNOWN_NUMBER: number = 99;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const BELL = "with\u0007bell";

const OUTCOME_NAMES = new Map<number, string>(Object.entries(RecordOutcome).map(([name, number]) => [number, name]));

let house: House;
let before: ReturnType<typeof countRows>;
beforeAll(async () => {
  house = await openHouse();
  await house.grant("maya", { units: 100n });
});
beforeEach(() => {
  before = countRows(house.service.dataDir);
});
afterAll(() => house.close());

describe("a request with wrong fields", () => {
  test.each(BAD_REQUESTS)(
    "$what: every one of them is named at once, on both doors alike, and nothing is written",
    async ({ call, fields }) => {
      const byGrpc = await refused(call((caller) => house.as(caller, "grpc")));
      const byConnect = await refused(call((caller) => house.as(caller, "connect")));
      expect([...byGrpc.fields].sort()).toEqual(fields);
      expect(byGrpc).toMatchObject({ code: "InvalidArgument", reason: "FIELDS_INVALID", domain: "plori.internal" });
      expect(byConnect.code).toBe(byGrpc.code);
      expect(byConnect.details).toEqual(byGrpc.details);
      expect(countRows(house.service.dataDir)).toEqual(before);
    },
  );

  test("the answer does not repeat what was sent, since it may be a secret in the wrong field", async () => {
    for (const door of DOORS) {
      const said = await refused(
        house
          .as("settings", door)
          .keyVault.connectKey({ account: "mis/placed", secret: "mis\nplaced", actor: "mis\u0007" }),
      );
      expect(JSON.stringify([said.message, said.metadata, ...said.details.map(fromDetail)])).not.toContain("mis");
    }
  });
});

function fromDetail(detail: string): string {
  return Buffer.from(detail.slice(detail.indexOf(" ") + 1), "base64").toString("latin1");
}

describe.each(DOORS)("by the %s door", (door) => {
  const portOf = (name: DoorName) => (name === "grpc" ? house.service.grpcPort : house.service.connectPort);

  test("bytes that are no message are INVALID_ARGUMENT, and nothing of them is repeated", async () => {
    const pem = house.service.pem("settings");
    const answer = await callOnce(
      portOf(door),
      pem.ca,
      pem,
      "plori.keyvault.v1.KeyVaultService/ConnectKey",
      Buffer.from("\u00ff\u00ff not a message"),
    );
    expect(answer.code).toBe(3);
    expect(decodeURIComponent(answer.message)).toBe(
      "The request does not parse as plori.keyvault.v1.ConnectKeyRequest. Send that message.",
    );
    expect(countRows(house.service.dataDir)).toEqual(before);
  });

  test("a request over the size limit is refused before it is read", async () => {
    const pem = house.service.pem("settings");
    const message = toBinary(
      ConnectKeyRequestSchema,
      create(ConnectKeyRequestSchema, { account: "maya", secret: "x".repeat(LIMITS.requestMaxBytes + 1) }),
    );
    const answer = await callOnce(portOf(door), pem.ca, pem, "plori.keyvault.v1.KeyVaultService/ConnectKey", message);
    expect(answer.code).toBe(8);
    expect(answer.message).not.toContain("xxx");
    expect(countRows(house.service.dataDir)).toEqual(before);
  });

  test("a page token of one account opens no page of another, and a size beyond the maximum means the maximum", async () => {
    const account = `pages-${door}`;
    const { ledger } = house.as("recorder", door);
    await ledger.recordUsage({ records: [1, 2, 3].map((n) => diskRecord(account, `d-${n}`)) });
    const billing = house.as("billing", door).ledger;
    const first = await billing.listCharges({ account, pageSize: 2 });
    const { nextPageToken: pageToken } = first;
    const second = await billing.listCharges({ account, pageSize: 2, pageToken });
    expect([...first.charges, ...second.charges].map(({ usageId }) => usageId)).toEqual(["d-3", "d-2", "d-1"]);
    expect(second.nextPageToken).toBe("");
    expect((await billing.listCharges({ account, pageSize: 2_000_000_000 })).charges).toHaveLength(3);
    expect(await refused(billing.listCharges({ account: "maya", pageToken }))).toMatchObject({
      fields: ["page_token"],
    });
    expect(await refused(billing.listCharges({ account, pageToken: `${pageToken}=` }))).toMatchObject({
      fields: ["page_token"],
    });
  });

  test("in a batch of usage the wrong records alone are rejected, each with every wrong field, and the others land", async () => {
    const account = `batch-${door}`;
    const good = diskRecord(account, "good");
    const records: MessageInitShape<typeof UsageRecordSchema>[] = [
      good,
      { ...diskRecord(account, "future"), occurTime: timestampFromMs(Date.now() + 10 * MINUTE_MS) },
      { ...diskRecord(account, "past"), occurTime: timestampFromMs(Date.now() - 36 * DAY_MS) },
      { ...diskRecord("a/b", LONG), agent: "", kind: { case: "disk", value: { byteSeconds: -1n } } },
      { usageId: "nothing", account, agent: "agent" },
      {
        ...diskRecord(account, "compute"),
        kind: { case: "compute", value: { vcpuMilliseconds: -1n, memoryMibMilliseconds: 2n ** 62n } },
      },
      {
        ...diskRecord(account, "labels"),
        labels: { fine: BELL },
      },
      {
        ...diskRecord(account, "many"),
        labels: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`l${n}`, ""])),
      },
      {
        ...callRecord({ account, usageId: "call", route: "no route", callId: "" }, { outputTokens: -1n }),
      },
      {
        usageId: "outcome",
        account,
        agent: "agent",
        occurTime: timestampNow(),
        kind: {
          case: "modelCall",
          value: { attempt: -1, callId: "c", outcome: UNKNOWN_NUMBER as CallOutcome, providerRequestId: LONG },
        },
      },
      {
        usageId: "usage",
        account,
        agent: "agent",
        occurTime: timestampNow(),
        kind: {
          case: "modelCall",
          value: {
            authority: { case: "route", value: "r" },
            callId: "c",
            usage: { case: "providerUsage", value: { prompt_tokens: LONG } },
          },
        },
      },
      good,
    ];
    const { results } = await house.as("recorder", door).ledger.recordUsage({ records });
    const told = results.map(({ outcome, status }) => [
      OUTCOME_NAMES.get(outcome),
      status?.code ?? 0,
      fieldsIn(status?.details ?? []),
    ]);
    const rejected = (...fields: readonly string[]) => ["REJECTED", 3, fields];
    expect(told).toEqual([
      ["CREATED", 0, []],
      rejected("occur_time"),
      rejected("occur_time"),
      rejected("usage_id", "account", "agent", "disk.byte_seconds"),
      rejected("occur_time", "kind"),
      rejected("compute.vcpu_milliseconds", "compute.memory_mib_milliseconds"),
      rejected("labels[fine]"),
      rejected("labels"),
      rejected("model_call.route", "model_call.call_id", "model_call.tokens.output_tokens"),
      rejected("model_call.authority", "model_call.attempt", "model_call.outcome", "model_call.provider_request_id"),
      rejected("model_call.provider_usage"),
      ["REPLAYED", 0, []],
    ]);
    const { charges } = await house.as("billing", door).ledger.listCharges({ account });
    expect(charges.map(({ usageId }) => usageId)).toEqual(["good"]);
    const { balance } = await house.as("billing", door).ledger.getBalance({ account });
    expect(nano(balance?.spent)).toBe(nano(results[0]?.charge?.amount));
    expect(readRows(house.service.dataDir, "SELECT count(*) AS n FROM pool WHERE account = 'a/b'")).toEqual([{ n: 0 }]);
  });

  test("an oversized id of a rejected record does not go into the audit", async () => {
    const usageId = `long-${door}-${"b".repeat(100_000)}`;
    await house.as("recorder", door).ledger.recordUsage({ records: [diskRecord("maya", usageId)] });
    const sql = "SELECT max(length(subject) + length(details) + length(account)) AS chars FROM audit";
    expect(readRows(house.service.dataDir, sql)[0]?.["chars"]).toBeLessThan(1_000);
  });
});

/** The field paths in a rejected record's details. */
function fieldsIn(details: readonly Any[]): string[] {
  return details.flatMap(
    (detail) => anyUnpack(detail, BadRequestSchema)?.fieldViolations.map(({ field }) => field) ?? [],
  );
}
