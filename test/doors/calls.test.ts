import { once } from "node:events";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import type { Code as CodeName } from "../../src/base/errors.ts";
import type { Call } from "../../src/doors/call.ts";
import type { DoorsOptions } from "../../src/doors/open-doors.ts";
import {
  type GetBalanceRequest,
  GetBalanceRequestSchema,
  type GetBalanceResponse,
  GetBalanceResponseSchema,
  LedgerService,
} from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { openTestDoors, type TestDoors } from "../support/doors.ts";
import { mintSvid, type Pem, TRUST_DOMAIN } from "../support/pki.ts";
import { callOnce, callRaw, openSession, reasonOf } from "../support/raw-call.ts";

const BALANCE = "plori.ledger.v1.LedgerService/GetBalance";
const HEALTH = "grpc.health.v1.Health/Check";
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

type GetBalance = (request: GetBalanceRequest, call: Call) => Promise<GetBalanceResponse>;

async function open(getBalance: GetBalance, changes: Partial<DoorsOptions> = {}) {
  const doors = await openTestDoors({ ledger: { getBalance } }, changes);
  cleanups.push(() => doors.close());
  return { doors, client: await mintSvid(doors.authority, "/settings/s1") };
}

/** A handler that tells when it began and waits until it is let go. */
function gate() {
  const began = Promise.withResolvers<Call>();
  const released = Promise.withResolvers<void>();
  const handle: GetBalance = async (_request, call) => {
    began.resolve(call);
    await released.promise;
    return create(GetBalanceResponseSchema, { balance: { account: "done" } });
  };
  return { handle, began: began.promise, release: () => released.resolve() };
}

function portOf(doors: TestDoors, door: string): number {
  return door === "gRPC" ? doors.grpcPort : doors.connectPort;
}

function transportOptions(doors: TestDoors, client: Pem) {
  const nodeOptions = { ca: doors.authority.cert, cert: client.cert, key: client.key };
  return { baseUrl: `https://localhost:${doors.connectPort}`, nodeOptions };
}

describe.each(["gRPC", "Connect"])("on the %s door", (door) => {
  test("the handler gets the request and the caller, and its answer arrives", async () => {
    const seen: unknown[] = [];
    const { doors, client } = await open(async (request, call) => {
      seen.push(request.account, call.caller, call.codec);
      return create(GetBalanceResponseSchema, { balance: { account: request.account } });
    });
    const message = toBinary(GetBalanceRequestSchema, create(GetBalanceRequestSchema, { account: "a1" }));
    const answer = await callOnce(portOf(doors, door), doors.authority.cert, client, BALANCE, message);
    expect(fromBinary(GetBalanceResponseSchema, answer.body.subarray(5)).balance?.account).toBe("a1");
    const spiffeId = `spiffe://${TRUST_DOMAIN}/settings/s1`;
    expect(seen).toEqual(["a1", { spiffeId, role: "settings", name: "s1" }, "proto"]);
  });

  test("a caller that goes away aborts the handler's signal", async () => {
    const { handle, began, release } = gate();
    const { doors, client } = await open(handle);
    const session = openSession(portOf(doors, door), doors.authority.cert, client);
    const calling = callRaw(session, BALANCE);
    calling.catch(() => {});
    const { signal } = await began;
    expect(signal.aborted).toBe(false);
    const aborted = once(signal, "abort");
    session.destroy();
    await aborted;
    expect(signal.reason).toMatchObject({ reason: "CANCELLED" });
    release();
  });

  test("a signal that is first asked for after the caller went away is aborted already", async () => {
    const { handle, began, release } = gate();
    const finished = Promise.withResolvers<boolean>();
    const { doors, client } = await open(async (request, call) => {
      const response = await handle(request, call);
      await expect.poll(() => call.signal.aborted).toBe(true);
      finished.resolve(call.signal.aborted);
      return response;
    });
    const session = openSession(portOf(doors, door), doors.authority.cert, client);
    callRaw(session, BALANCE).catch(() => {});
    await began;
    session.destroy();
    release();
    expect(await finished.promise).toBe(true);
  });

  test("a handler that takes too long is answered for: DEADLINE_EXCEEDED, and its signal aborts", async () => {
    const { handle, began, release } = gate();
    const { doors, client } = await open(handle, { limits: { defaultDeadlineMs: 50 } });
    const calling = callOnce(portOf(doors, door), doors.authority.cert, client, BALANCE);
    const { signal } = await began;
    const answer = await calling;
    expect([answer.code, reasonOf(answer)]).toEqual([4, "DEADLINE_EXCEEDED"]);
    expect(signal.aborted).toBe(true);
    release();
  });

  test("every call in a row gets its own deadline", async () => {
    const { doors, client } = await open(() => new Promise(() => {}), { limits: { defaultDeadlineMs: 30 } });
    for (let i = 0; i < 3; i++)
      expect((await callOnce(portOf(doors, door), doors.authority.cert, client, BALANCE)).code).toBe(4);
  });

  test("calls beyond the bound are refused with OVERLOADED and a wait, and room that comes free is used", async () => {
    const { handle, began, release } = gate();
    const { doors, client } = await open(handle, { limits: { callsInFlightMax: 1 } });
    const session = openSession(portOf(doors, door), doors.authority.cert, client);
    cleanups.push(() => session.destroy());
    const first = callRaw(session, BALANCE);
    await began;
    const second = await callRaw(session, BALANCE);
    expect([second.code, reasonOf(second)]).toEqual([8, "OVERLOADED"]);
    expect(second.status?.details.some(({ typeUrl }) => typeUrl.endsWith("RetryInfo"))).toBe(true);
    release();
    expect((await first).code).toBe(0);
    expect((await callRaw(session, BALANCE)).code).toBe(0);
  });

  test("while draining, calls in flight finish, new ones are refused, and health says so", async () => {
    const { handle, began, release } = gate();
    const { doors, client } = await open(handle);
    const session = openSession(portOf(doors, door), doors.authority.cert, client);
    const inFlight = callRaw(session, BALANCE);
    await began;
    const drained = doors.drain(20_000);
    const refused = await callRaw(session, BALANCE);
    expect([refused.code, reasonOf(refused)]).toEqual([14, "DRAINING"]);
    const health = await callRaw(session, HEALTH);
    expect([health.code, [...health.body.subarray(5)]]).toEqual([0, [8, 2]]);
    const ready = await fetch(`http://127.0.0.1:${doors.opsPort}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, "draining\n"]);
    release();
    const answer = await inFlight;
    expect(answer.code).toBe(0);
    expect(fromBinary(GetBalanceResponseSchema, answer.body.subarray(5)).balance?.account).toBe("done");
    await drained;
    await expect(callOnce(portOf(doors, door), doors.authority.cert, client, BALANCE)).rejects.toThrow();
  });

  test("what is still in flight when the grace ends is told to come again", async () => {
    const { doors, client } = await open(() => new Promise(() => {}));
    const session = openSession(portOf(doors, door), doors.authority.cert, client);
    const inFlight = callRaw(session, BALANCE);
    const watching = callRaw(session, "grpc.health.v1.Health/Watch");
    await callRaw(session, HEALTH);
    await doors.drain(10);
    const answer = await inFlight;
    expect([answer.code, reasonOf(answer)]).toEqual([14, "DRAINING"]);
    await watching;
  });

  test("every call is told to the observer once, with its code", async () => {
    const seen: [string, CodeName | "OK"][] = [];
    const observer = { called: (rpc: string, code: CodeName | "OK") => seen.push([rpc, code]) };
    const { doors, client } = await open(async () => create(GetBalanceResponseSchema, {}), { observer });
    const host = await mintSvid(doors.authority, "/agent-host/h1");
    const port = portOf(doors, door);
    await callOnce(port, doors.authority.cert, client, BALANCE);
    await callOnce(port, doors.authority.cert, host, BALANCE);
    expect(seen).toEqual([
      [BALANCE, "OK"],
      [BALANCE, "PERMISSION_DENIED"],
    ]);
  });
});

test("a grpc-js client is served, and its own earlier deadline wins", async () => {
  const { handle, began, release } = gate();
  const { doors, client } = await open(handle);
  const pem = [doors.authority.cert, client.key, client.cert].map((text) => Buffer.from(text));
  const grpc = new Client(`localhost:${doors.grpcPort}`, credentials.createSsl(pem[0], pem[1], pem[2]));
  cleanups.push(() => grpc.close());
  const call = (deadline: number) =>
    new Promise<ServiceError | Buffer | undefined>((resolve) => {
      const asIs = (bytes: Buffer) => bytes;
      grpc.makeUnaryRequest(`/${BALANCE}`, asIs, asIs, Buffer.alloc(0), { deadline }, (error, answer) =>
        resolve(error ?? answer),
      );
    });
  expect(await call(Date.now() + 300)).toMatchObject({ code: 4 });
  const { signal } = await began;
  await expect.poll(() => signal.aborted).toBe(true);
  release();
  expect(await call(Date.now() + 20_000)).toBeInstanceOf(Buffer);
});

test("a codec of a method's own is used in place of the generated one", async () => {
  const { doors, client } = await open(
    async (request) => create(GetBalanceResponseSchema, { balance: { account: request.account } }),
    {
      codecs: {
        [BALANCE]: {
          decode: () => create(GetBalanceRequestSchema, { account: "decoded" }),
          encode: (message) => Buffer.from(JSON.stringify(message).includes("decoded") ? "encoded" : "wrong"),
        },
      },
    },
  );
  const answer = await callOnce(doors.grpcPort, doors.authority.cert, client, BALANCE);
  expect(answer.body.subarray(5).toString()).toBe("encoded");
});

describe("the Connect door", () => {
  const transports = {
    "Connect over HTTP/1.1": (doors: TestDoors, client: Pem) =>
      createConnectTransport({ httpVersion: "1.1", useBinaryFormat: true, ...transportOptions(doors, client) }),
    "Connect over HTTP/2": (doors: TestDoors, client: Pem) =>
      createConnectTransport({ httpVersion: "2", useBinaryFormat: true, ...transportOptions(doors, client) }),
    gRPC: (doors: TestDoors, client: Pem) => createGrpcTransport(transportOptions(doors, client)),
    "gRPC-Web over HTTP/1.1": (doors: TestDoors, client: Pem) =>
      createGrpcWebTransport({ httpVersion: "1.1", ...transportOptions(doors, client) }),
  };
  for (const [name, transport] of Object.entries(transports))
    test(`speaks ${name}, binary`, async () => {
      const codecs: string[] = [];
      const { doors, client } = await open(async (request, call) => {
        codecs.push(call.codec);
        return create(GetBalanceResponseSchema, { balance: { account: request.account } });
      });
      const ledger = createClient(LedgerService, transport(doors, client));
      expect((await ledger.getBalance({ account: "a1" })).balance?.account).toBe("a1");
      expect(codecs).toEqual(["proto"]);
    });

  for (const httpVersion of ["1.1", "2"] as const)
    test(`flags the JSON codec over HTTP/${httpVersion}`, async () => {
      const codecs: string[] = [];
      const { doors, client } = await open(async (_request, call) => {
        codecs.push(call.codec);
        return create(GetBalanceResponseSchema, {});
      });
      const options = { httpVersion, useBinaryFormat: false, ...transportOptions(doors, client) };
      await createClient(LedgerService, createConnectTransport(options)).getBalance({ account: "a1" });
      expect(codecs).toEqual(["json"]);
    });

  for (const [name, transport] of [
    ["gRPC", createGrpcTransport],
    ["gRPC-Web", createGrpcWebTransport],
  ] as const)
    test(`refuses JSON within ${name} before it is parsed`, async () => {
      const { doors, client } = await open(async () => create(GetBalanceResponseSchema, {}));
      const options = { httpVersion: "2", useBinaryFormat: false, ...transportOptions(doors, client) } as const;
      const calling = createClient(LedgerService, transport(options)).getBalance({ account: "a1" });
      await expect(calling).rejects.toThrow(expect.objectContaining({ code: Code.InvalidArgument }));
    });

  test("a caller's own earlier deadline wins, and reaches the handler", async () => {
    const { handle, began, release } = gate();
    const { doors, client } = await open(handle);
    const transport = createConnectTransport({ httpVersion: "2", ...transportOptions(doors, client) });
    const calling = createClient(LedgerService, transport).getBalance({ account: "a1" }, { timeoutMs: 200 });
    const error = await calling.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code: Code.DeadlineExceeded });
    const { signal } = await began;
    await expect.poll(() => signal.aborted).toBe(true);
    release();
  });

  test("an HTTP/1.1 connection that is kept alive does not hold up a drain", async () => {
    const { doors, client } = await open(async () => create(GetBalanceResponseSchema, {}));
    const options = { httpVersion: "1.1", useBinaryFormat: true, ...transportOptions(doors, client) } as const;
    const { Agent } = await import("node:https");
    const agent = new Agent({ keepAlive: true, ...options.nodeOptions });
    const transport = createConnectTransport({ ...options, nodeOptions: { agent } });
    await createClient(LedgerService, transport).getBalance({ account: "a1" });
    const closed = Object.values(agent.freeSockets).flatMap((sockets) =>
      (sockets ?? []).map((socket) => once(socket, "close")),
    );
    expect(closed).toHaveLength(1);
    await doors.drain(20_000);
    await Promise.all(closed);
  });
});
