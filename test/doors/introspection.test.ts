import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../src/gen/health/v1/health_pb.ts";
import { GetBalanceResponseSchema } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { openTestDoors, type TestDoors } from "../support/doors.ts";
import { mintSvid } from "../support/pki.ts";
import { callOnce } from "../support/raw-call.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const run = promisify(execFile);
const directory = temporaryDirectory();
let doors: TestDoors;
let client: { readonly cert: string; readonly key: string };
let reasons: readonly string[] = [];

beforeAll(async () => {
  doors = await openTestDoors(
    {
      ledger: {
        getBalance: async ({ account }) =>
          create(GetBalanceResponseSchema, { balance: { account, available: { units: 7n } } }),
      },
    },
    {
      readiness: { reasons: () => reasons },
      metrics: { contentType: "text/plain; version=0.0.4", metrics: async () => "up 1\n" },
    },
  );
  client = await mintSvid(doors.authority, "/admin/dev");
  await writeFile(join(directory.path, "ca.pem"), doors.authority.cert);
  await writeFile(join(directory.path, "admin.pem"), client.cert);
  await writeFile(join(directory.path, "admin.key"), client.key);
});
afterAll(async () => {
  await doors.close();
  directory.remove();
});

function bufCurl(port: number, protocol: string, ...rest: string[]) {
  const file = (name: string) => join(directory.path, name);
  return run(
    "buf",
    [
      "curl",
      ...["--protocol", protocol, "--cacert", file("ca.pem"), "--cert", file("admin.pem"), "--key", file("admin.key")],
      ...rest.map((part) => part.replace("URL", `https://localhost:${port}`)),
    ],
    { cwd: directory.path, env: { ...process.env, HOME: directory.path } },
  );
}

describe.each([
  ["gRPC", "grpc"],
  ["Connect", "grpc"],
  ["Connect", "grpcweb"],
  ["Connect", "connect"],
])("buf curl with no schema at hand, on the %s door by %s,", (door, protocol) => {
  const port = () => (door === "gRPC" ? doors.grpcPort : doors.connectPort);

  test("calls a method", async () => {
    const { stdout } = await bufCurl(
      port(),
      protocol,
      "--data",
      '{"account":"a1"}',
      "URL/plori.ledger.v1.LedgerService/GetBalance",
    );
    expect(JSON.parse(stdout)).toEqual({ balance: { account: "a1", available: { units: "7" } } });
  });

  test("lists our services and shows an error's details", async () => {
    const { stdout } = await bufCurl(port(), protocol, "--list-services", "URL");
    expect(stdout.split("\n")).toEqual(
      expect.arrayContaining([
        "plori.keyvault.v1.KeyVaultService",
        "plori.ledger.v1.LedgerService",
        "plori.router.v1.RouterService",
        "grpc.health.v1.Health",
      ]),
    );
    const refused = bufCurl(port(), protocol, "--data", "{}", "URL/plori.router.v1.RouterService/ResolveRoute");
    await expect(refused).rejects.toThrow(/permission_denied[\s\S]*ErrorInfo/);
  });
});

describe.each(["gRPC", "Connect"])("on the %s door", (door) => {
  const port = () => (door === "gRPC" ? doors.grpcPort : doors.connectPort);
  const transport = () =>
    createGrpcTransport({
      baseUrl: `https://localhost:${port()}`,
      nodeOptions: { ca: doors.authority.cert, cert: client.cert, key: client.key },
    });

  test("reflection in v1 and v1alpha answers every kind of question", async () => {
    for (const service of [ServerReflection, ServerReflectionAlpha]) {
      const reflection = createClient(service, transport());
      const ask = [
        { case: "listServices", value: "" },
        { case: "fileByFilename", value: "plori/ledger/v1/ledger.proto" },
        { case: "fileByFilename", value: "nothing.proto" },
        { case: "fileContainingSymbol", value: "plori.ledger.v1.LedgerService.GetBalance" },
        { case: "fileContainingSymbol", value: "plori.ledger.v1.Nothing" },
        { case: "fileContainingSymbol", value: "google.rpc.ErrorInfo" },
        { case: "fileContainingExtension", value: { containingType: "plori.ledger.v1.Charge", extensionNumber: 1 } },
        { case: "allExtensionNumbersOfType", value: "plori.ledger.v1.Charge" },
        { case: undefined },
      ] as const;
      async function* questions() {
        for (const messageRequest of ask) yield { host: "h", messageRequest };
      }
      const cases: (string | undefined)[] = [];
      for await (const answer of reflection.serverReflectionInfo(questions())) cases.push(answer.messageResponse.case);
      expect(cases).toEqual([
        "listServicesResponse",
        "fileDescriptorResponse",
        "errorResponse",
        "fileDescriptorResponse",
        "errorResponse",
        "fileDescriptorResponse",
        "errorResponse",
        "allExtensionNumbersResponse",
        "errorResponse",
      ]);
    }
  });

  test("health follows readiness, for the process and for each service", async () => {
    const health = createClient(Health, transport());
    for (const service of ["", "plori.router.v1.RouterService", "grpc.health.v1.Health"])
      expect((await health.check({ service })).status).toBe(ServingStatus.SERVING);
    reasons = ["KMS cannot be reached"];
    expect((await health.check({})).status).toBe(ServingStatus.NOT_SERVING);
    expect((await health.list({})).statuses["plori.ledger.v1.LedgerService"]?.status).toBe(ServingStatus.NOT_SERVING);
    reasons = [];
  });

  test("health of a service that is not served is NOT_FOUND", async () => {
    const message = toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service: "nobody" }));
    const answer = await callOnce(port(), doors.authority.cert, client, "grpc.health.v1.Health/Check", message);
    expect(answer.code).toBe(5);
  });

  test("a watcher of health sees each change", async () => {
    const health = createClient(Health, transport());
    const stop = new AbortController();
    const seen: ServingStatus[] = [];
    try {
      for await (const { status } of health.watch({}, { signal: stop.signal })) {
        seen.push(status);
        if (seen.length === 1) reasons = ["no"];
        else if (seen.length === 2) reasons = [];
        else stop.abort();
      }
    } catch {
      // The watcher ended it.
    }
    expect(seen).toEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING, ServingStatus.SERVING]);
  });
});

test("reflection can be switched off, health stays", async () => {
  const closed = await openTestDoors({}, { reflection: false });
  try {
    const rpc = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const caller = await mintSvid(closed.authority, "/admin/dev");
    const ca = closed.authority.cert;
    expect((await callOnce(closed.grpcPort, ca, caller, rpc)).code).toBe(12);
    await expect(callOnce(closed.connectPort, ca, caller, rpc)).rejects.toThrow("HTTP 404");
    expect((await callOnce(closed.grpcPort, ca, caller, "grpc.health.v1.Health/Check")).code).toBe(0);
  } finally {
    await closed.close();
  }
});

describe("the ops door", () => {
  const get = async (path: string, method = "GET") => {
    const response = await fetch(`http://127.0.0.1:${doors.opsPort}${path}`, { method });
    return [response.status, await response.text()];
  };

  test("says that it lives, whether it is ready and why not, and what it measured", async () => {
    expect(await get("/livez")).toEqual([200, "live\n"]);
    expect(await get("/readyz")).toEqual([200, "ready\n"]);
    reasons = ["KMS cannot be reached", "migrations run"];
    expect(await get("/readyz")).toEqual([503, "KMS cannot be reached\nmigrations run\n"]);
    expect(await get("/livez")).toEqual([200, "live\n"]);
    reasons = [];
    expect(await get("/metrics")).toEqual([200, "up 1\n"]);
  });

  test("answers nothing else", async () => {
    expect((await get("/"))[0]).toBe(404);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) expect((await get("/livez", method))[0]).toBe(405);
  });
});
