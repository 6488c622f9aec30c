import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { request as httpsRequest } from "node:https";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, test } from "vitest";
import { refuse } from "../../src/base/errors.ts";
import type { Call } from "../../src/doors/call.ts";
import type { DispatcherOptions } from "../../src/doors/dispatch.ts";
import {
  GetBalanceRequestSchema,
  type GetBalanceResponse,
  GetBalanceResponseSchema,
} from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { createGrpcJsTransport } from "../support/grpc-transport.ts";
import { mintSvid } from "../support/pki.ts";
import { callOnce, callRaw, openSession, type RawAnswer, reasonOf } from "../support/raw-call.ts";
import { ASK, openStreamingDoors, WATCH, type Watch, watchMethod } from "../support/streaming-doors.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function open(watch: Watch, changes: Partial<DispatcherOptions> = {}) {
  const doors = await openStreamingDoors(watch, changes);
  cleanups.push(() => doors.close());
  const client = await mintSvid(doors.authority, "/settings/s1");
  const session = (door: string): ClientHttp2Session => {
    const opened = openSession(door === "gRPC" ? doors.grpcPort : doors.connectPort, doors.authority.cert, client);
    cleanups.push(() => opened.destroy());
    return opened;
  };
  return { ...doors, client, session };
}

function message(account: string): GetBalanceResponse {
  return create(GetBalanceResponseSchema, { balance: { account } });
}

/** The accounts in a stream of length-prefixed messages. */
function accountsIn(body: Buffer): string[] {
  const accounts: string[] = [];
  for (let at = 0; at < body.length; ) {
    const bytes = body.readUInt32BE(at + 1);
    accounts.push(fromBinary(GetBalanceResponseSchema, body.subarray(at + 5, at + 5 + bytes)).balance?.account ?? "");
    at += 5 + bytes;
  }
  return accounts;
}

/** A stream that says one thing, tells that it began, and then waits for its end. */
function waiting() {
  const began = Promise.withResolvers<Call>();
  const ended = Promise.withResolvers<void>();
  const watch: Watch = async function* (_request, call) {
    try {
      yield message("first");
      began.resolve(call);
      if (!call.signal.aborted) await once(call.signal, "abort");
      call.signal.throwIfAborted();
    } finally {
      ended.resolve();
    }
  };
  return { watch, began: began.promise, ended: ended.promise };
}

function detailKinds(answer: RawAnswer) {
  return answer.status?.details.map(({ typeUrl }) => typeUrl.split(".").at(-1));
}

describe.each(["gRPC", "Connect"])("on the %s door", (door) => {
  test("what the handler yields arrives in order, and the caller is known", async () => {
    const seen: unknown[] = [];
    const { session } = await open(async function* (request, call) {
      seen.push(call.caller.role, call.codec);
      for (const n of [1, 2, 3]) yield message(`${request.account}-${n}`);
    });
    const asked = toBinary(GetBalanceRequestSchema, create(GetBalanceRequestSchema, { account: "a" }));
    const answer = await callRaw(session(door), WATCH, asked);
    expect([answer.code, accountsIn(answer.body)]).toEqual([0, ["a-1", "a-2", "a-3"]]);
    expect(seen).toEqual(["settings", "proto"]);
  });

  test("a refusal in the middle comes after what was said before, with its details", async () => {
    const { session } = await open(async function* () {
      yield message("one");
      throw refuse("OVERLOADED", "Enough.", { limit: "1" });
    });
    const answer = await callRaw(session(door), WATCH);
    expect([answer.code, reasonOf(answer), accountsIn(answer.body)]).toEqual([8, "OVERLOADED", ["one"]]);
    expect(detailKinds(answer)).toEqual(["ErrorInfo", "RetryInfo"]);
  });

  test("an error that is not ours is told without its text", async () => {
    const { session } = await open(async function* () {
      yield message("one");
      throw new Error("the database said: hunter2");
    });
    const answer = await callRaw(session(door), WATCH);
    expect([answer.code, reasonOf(answer)]).toEqual([13, "INTERNAL"]);
    expect(answer.message + Buffer.from(answer.detailsBase64, "base64").toString("latin1")).not.toContain("hunter2");
  });

  test("a role that may not call is denied, told to the audit, and the handler never runs", async () => {
    let ran = false;
    const denied: string[] = [];
    const changes = { onDenied: (_caller: unknown, rpc: string) => denied.push(rpc) };
    const doors = await open(async function* () {
      ran = true;
      yield message("secret");
    }, changes);
    const host = await mintSvid(doors.authority, "/agent-host/h1");
    const port = door === "gRPC" ? doors.grpcPort : doors.connectPort;
    const answer = await callOnce(port, doors.authority.cert, host, WATCH);
    expect([answer.code, reasonOf(answer), answer.body.length]).toEqual([7, "ROLE_NOT_ALLOWED", 0]);
    expect([ran, denied]).toEqual([false, [WATCH]]);
  });

  test("bytes that are no request are refused without being quoted", async () => {
    const { session } = await open(waiting().watch);
    const answer = await callRaw(session(door), WATCH, Buffer.from("hunter2"));
    expect([answer.code, reasonOf(answer)]).toEqual([3, "FIELDS_INVALID"]);
    expect(answer.message).not.toContain("hunter2");
  });

  test("a caller that goes away aborts the signal and ends the handler", async () => {
    const { watch, began, ended } = waiting();
    const seen: unknown[] = [];
    const observer = { called: (rpc: string, code: string) => seen.push(rpc, code) };
    const { session, dispatcher } = await open(watch, { observer });
    const opened = session(door);
    callRaw(opened, WATCH).catch(() => {});
    const { signal } = await began;
    opened.destroy();
    await ended;
    expect(signal.reason).toMatchObject({ reason: "CANCELLED" });
    await expect.poll(() => dispatcher.inFlight).toBe(0);
    expect(seen).toEqual([WATCH, "CANCELLED"]);
  });

  test("a caller that does not read holds the handler back, and gets everything once it reads", async () => {
    const total = 500;
    const text = "x".repeat(64 * 1024);
    let yielded = 0;
    const { session } = await open(async function* (request) {
      for (let n = 0; n < (request.account === "" ? total : 1); n += 1) {
        if (request.account === "") yielded += 1;
        yield message(text);
      }
    });
    const slow = session(door).request({
      ":method": "POST",
      ":path": `/${WATCH}`,
      "content-type": "application/grpc+proto",
      te: "trailers",
    });
    slow.pause();
    slow.end(Buffer.alloc(5));
    await once(slow, "response");
    // Calls of others are answered meanwhile; a handler that is not held back would be through by the first.
    const asked = toBinary(GetBalanceRequestSchema, create(GetBalanceRequestSchema, { account: "other" }));
    const other = session(door);
    for (let n = 0; n < 10; n += 1) expect((await callRaw(other, WATCH, asked)).code).toBe(0);
    expect(yielded).toBeLessThan(total / 2);
    let bytes = 0;
    for await (const chunk of slow) bytes += (chunk as Buffer).length;
    expect(bytes).toBeGreaterThan(total * text.length);
    expect(yielded).toBe(total);
  });

  test("a stream outlives the deadline that calls have by default", async () => {
    const { watch, began } = waiting();
    const release = Promise.withResolvers<void>();
    const { session } = await open(
      async function* (request, call) {
        for await (const first of watch(request, call)) {
          yield first;
          await release.promise;
          yield message("later");
          return;
        }
      },
      { defaultDeadlineMs: 30 },
    );
    began.catch(() => {});
    const opened = session(door);
    const streaming = callRaw(opened, WATCH);
    expect((await callRaw(opened, ASK)).code).toBe(4);
    release.resolve();
    const answer = await streaming;
    expect([answer.code, accountsIn(answer.body)]).toEqual([0, ["first", "later"]]);
  });

  test("a deadline of the caller's own ends the stream", async () => {
    const { watch, ended } = waiting();
    const { session } = await open(watch);
    const answer = await callRaw(session(door), WATCH, Buffer.alloc(0), { "grpc-timeout": "200m" });
    expect([answer.code, accountsIn(answer.body)]).toEqual([4, ["first"]]);
    await ended;
  });

  test("a drain ends streams at once with DRAINING and a wait, and waits for their handlers", async () => {
    const { watch, began } = waiting();
    const cleaned = Promise.withResolvers<void>();
    let isClean = false;
    const { session, dispatcher } = await open(async function* (request, call) {
      try {
        yield* watch(request, call);
      } finally {
        await cleaned.promise;
        isClean = true;
      }
    });
    const streaming = callRaw(session(door), WATCH);
    await began;
    const drained = dispatcher.drain(20_000);
    const answer = await streaming;
    expect([answer.code, reasonOf(answer), accountsIn(answer.body)]).toEqual([14, "DRAINING", ["first"]]);
    expect(detailKinds(answer)).toEqual(["ErrorInfo", "RetryInfo"]);
    cleaned.resolve();
    await drained;
    expect(isClean).toBe(true);
    const late = await callRaw(session(door), WATCH);
    expect([late.code, reasonOf(late)]).toEqual([14, "DRAINING"]);
  });

  test("a handler that does not heed its signal cannot hold up a drain beyond the grace", async () => {
    const { session, dispatcher } = await open(async function* () {
      yield message("first");
      await new Promise(() => {});
    });
    const streaming = callRaw(session(door), WATCH);
    await expect.poll(() => dispatcher.inFlight).toBe(1);
    await dispatcher.drain(20);
    expect(reasonOf(await streaming)).toBe("DRAINING");
  });

  test("streams are bounded, all together and for each identity", async () => {
    for (const [limits, code, reason] of [
      [{ streamsMax: 1 }, 8, "OVERLOADED"],
      [{ streamsPerCallerMax: 1 }, 8, "RATE_LIMITED"],
    ] as const) {
      const { watch, began, ended } = waiting();
      const { session, dispatcher } = await open(watch, limits);
      const first = session(door);
      callRaw(first, WATCH).catch(() => {});
      await began;
      const second = await callRaw(session(door), WATCH);
      expect([second.code, reasonOf(second)]).toEqual([code, reason]);
      expect(detailKinds(second)).toContain("RetryInfo");
      first.destroy();
      await ended;
      await expect.poll(() => dispatcher.inFlight).toBe(0);
      const opened = session(door);
      const third = callRaw(opened, WATCH);
      await expect.poll(() => dispatcher.inFlight).toBe(1);
      opened.destroy();
      await expect(third).rejects.toThrow();
    }
  });
});

describe("typed clients", () => {
  type Opened = Awaited<ReturnType<typeof open>>;
  const pem = ({ authority, client }: Opened) => ({ ca: authority.cert, cert: client.cert, key: client.key });
  const options = (doors: Opened) => ({
    baseUrl: `https://localhost:${doors.connectPort}`,
    nodeOptions: pem(doors),
  });
  const transports: Record<string, (doors: Opened) => Transport> = {
    "grpc-js": (doors) => createGrpcJsTransport(doors.grpcPort, pem(doors)),
    "Connect over HTTP/1.1": (doors) => createConnectTransport({ httpVersion: "1.1", ...options(doors) }),
    "Connect over HTTP/2, binary": (doors) =>
      createConnectTransport({ httpVersion: "2", useBinaryFormat: true, ...options(doors) }),
    gRPC: (doors) => createGrpcTransport(options(doors)),
    "gRPC-Web over HTTP/1.1": (doors) => createGrpcWebTransport({ httpVersion: "1.1", ...options(doors) }),
  };
  for (const [name, transport] of Object.entries(transports))
    test(`${name}: messages, then the refusal with its reason`, async () => {
      const doors = await open(async function* (request) {
        yield message(request.account);
        yield message("two");
        throw refuse("RATE_LIMITED", "Slower.");
      });
      async function* input() {
        yield { account: "a1" };
      }
      const answer = await transport(doors).stream(watchMethod, undefined, undefined, undefined, input());
      const got: (string | undefined)[] = [];
      const reading = async () => {
        for await (const { balance } of answer.message) got.push(balance?.account);
      };
      const error = await reading().catch((thrown: unknown) => thrown);
      expect(got).toEqual(["a1", "two"]);
      expect(error).toBeInstanceOf(ConnectError);
      expect(error).toMatchObject({ code: Code.ResourceExhausted, rawMessage: "Slower." });
      expect((error as ConnectError).details.map((detail) => ("type" in detail ? detail.type : ""))).toEqual([
        "google.rpc.ErrorInfo",
        "google.rpc.RetryInfo",
      ]);
    });

  test("JSON that does not parse is refused in a Connect stream without being quoted", async () => {
    const doors = await open(waiting().watch);
    const json = Buffer.from('{"account": hunter2}');
    const head = Buffer.alloc(5);
    head.writeUInt32BE(json.length, 1);
    const body = await new Promise<string>((resolve, reject) => {
      const request = httpsRequest(
        {
          host: "localhost",
          port: doors.connectPort,
          path: `/${WATCH}`,
          method: "POST",
          agent: false,
          ...pem(doors),
          headers: { "content-type": "application/connect+json", "connect-protocol-version": "1" },
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          response.on("end", () => resolve(text));
        },
      );
      request.on("error", reject);
      request.end(Buffer.concat([head, json]));
    });
    expect(body).not.toContain("hunter2");
    expect(JSON.parse(body.slice(5))).toMatchObject({ error: { code: "invalid_argument" } });
  });
});
