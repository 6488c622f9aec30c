import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, test } from "vitest";
import { refuse } from "../../src/base/errors.ts";
import { createCodecs } from "../../src/doors/rpc/codecs.ts";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { ConnectKeyResponseSchema } from "../../src/gen/plori/keyvault/v1/keyvault_service_pb.ts";
import {
  type ResolveRouteResponse,
  ResolveRouteResponseSchema,
  RouterService,
} from "../../src/gen/plori/router/v1/router_service_pb.ts";
import { openTestDoors, type SomeHandlers, type TestDoors } from "../support/doors.ts";
import { createGrpcJsTransport } from "../support/grpc-transport.ts";
import { mintSvid, type Pem } from "../support/pki.ts";
import { openSession } from "../support/raw-call.ts";

const CONNECT_KEY = "/plori.keyvault.v1.KeyVaultService/ConnectKey";
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function open(handlers: SomeHandlers, path: string): Promise<{ doors: TestDoors; client: Pem }> {
  const doors = await openTestDoors(handlers, { codecs: createCodecs() });
  cleanups.push(() => doors.close());
  return { doors, client: await mintSvid(doors.authority, path) };
}

type Open = (doors: TestDoors, client: Pem) => Transport;

function options(doors: TestDoors, client: Pem) {
  const nodeOptions = { ca: doors.authority.cert, cert: client.cert, key: client.key };
  return { baseUrl: `https://localhost:${doors.connectPort}`, nodeOptions };
}

const TRANSPORTS: readonly (readonly [string, Open])[] = [
  [
    "gRPC on its own door",
    ({ grpcPort, authority }, pem) => createGrpcJsTransport(grpcPort, { ca: authority.cert, ...pem }),
  ],
  ["Connect over HTTP/2", (doors, pem) => createConnectTransport({ ...options(doors, pem), httpVersion: "2" })],
  ["Connect over HTTP/1.1", (doors, pem) => createConnectTransport({ ...options(doors, pem), httpVersion: "1.1" })],
  ["gRPC on the Connect door", (doors, pem) => createGrpcTransport(options(doors, pem))],
  ["gRPC-Web over HTTP/2", (doors, pem) => createGrpcWebTransport({ ...options(doors, pem), httpVersion: "2" })],
  ["gRPC-Web over HTTP/1.1", (doors, pem) => createGrpcWebTransport({ ...options(doors, pem), httpVersion: "1.1" })],
];

describe.each(TRANSPORTS)("by %s", (_how, openTransport) => {
  test("credentials arrive whole, one after another, and are overwritten in the messages that held them", async () => {
    const answered: ResolveRouteResponse[] = [];
    const { doors, client } = await open(
      {
        router: {
          async resolveRoute({ callId }) {
            const credential = Buffer.from(`credential of ${callId}`);
            const answer = create(ResolveRouteResponseSchema, { route: { route: `r-${callId}`, credential } });
            answered.push(answer);
            return answer;
          },
        },
      },
      "/agent-host/h1",
    );
    const router = createClient(RouterService, openTransport(doors, client));
    const calls = Array.from({ length: 5 }, (_none, index) => router.resolveRoute({ callId: `c${index}` }));
    for (const [index, { route }] of (await Promise.all(calls)).entries()) {
      expect(route?.route).toBe(`r-c${index}`);
      expect(Buffer.from(route?.credential ?? []).toString()).toBe(`credential of c${index}`);
    }
    expect(answered).toHaveLength(5);
    for (const { route } of answered) expect(route?.credential.every((byte) => byte === 0)).toBe(true);
  });

  test("a refusal arrives as ever", async () => {
    const { doors, client } = await open(
      { router: { resolveRoute: () => Promise.reject(refuse("KEY_DEAD", "The key is dead.")) } },
      "/agent-host/h1",
    );
    const call = createClient(RouterService, openTransport(doors, client)).resolveRoute({ callId: "c1" });
    const thrown: unknown = await call.catch((error: unknown) => error);
    if (!(thrown instanceof ConnectError)) throw new Error("it was not refused");
    expect(thrown.code).toBe(Code.FailedPrecondition);
    expect(thrown.findDetails(ErrorInfoSchema)[0]?.reason).toBe("KEY_DEAD");
  });
});

test.each([
  ["with", true],
  ["without", false],
] as const)("a pasted key that comes in pieces, %s a length beforehand, arrives whole", async (_with, hasLength) => {
  const secrets: string[] = [];
  const { doors, client } = await open(
    {
      keyVault: {
        async connectKey({ secret }) {
          secrets.push(secret);
          return create(ConnectKeyResponseSchema);
        },
      },
    },
    "/settings/s1",
  );
  const pieces = ['{"account":"a1","secret":"first ', "second ", 'third"}'];
  const session = openSession(doors.connectPort, doors.authority.cert, client);
  cleanups.push(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": CONNECT_KEY,
    "content-type": "application/json",
    ...(hasLength ? { "content-length": String(pieces.join("").length) } : {}),
  });
  for (const piece of pieces) {
    await new Promise((resolve) => {
      stream.write(piece, resolve);
    });
  }
  stream.end();
  const status = await new Promise<number | undefined>((resolve, reject) => {
    stream.once("response", (headers) => resolve(headers[":status"]));
    stream.once("error", reject);
  });
  expect(status).toBe(200);
  expect(secrets).toEqual(["first second third"]);
});
