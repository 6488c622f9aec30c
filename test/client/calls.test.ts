import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { readEvents } from "../../src/client/calls/read-events.ts";
import { reportMessage } from "../../src/client/calls/report.ts";
import { trackCall } from "../../src/client/calls/track-call.ts";
import { encodeUsageRecord, type UsageRecord } from "../../src/client/calls/usage-record.ts";
import { HostError } from "../../src/client/host-error.ts";
import { type Route, routeFor } from "../../src/client/routes/route.ts";
import { UsageRecordSchema } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";

const NOW_MS = 1_700_000_000_123;
const USAGE = { prompt_tokens: 12, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 }, cost: 0.000_123 };

function someRoute(): Route {
  const facts = {
    id: "route-1",
    account: "a1",
    agent: "agent",
    model: "m",
    provider: "openai",
    baseUrl: "https://provider.example/v1",
    upstreamModel: "m",
    payer: "BYOK",
    key: "accounts/a1/keys/openai",
    keyVersion: 1n,
    hold: undefined,
    maxOutputTokens: undefined,
    priceVersion: "",
  } as const;
  const credential = Secret.fromText("secret");
  const headers = { credentialHeader: "authorization", credentialPrefix: "Bearer ", furtherHeaders: {} };
  return routeFor({ facts, credential, ...headers }, "call-1", false);
}

function track(options: Parameters<typeof trackCall>[1] = {}, fail: () => Error | undefined = () => undefined) {
  const records: UsageRecord[] = [];
  const route = someRoute();
  const call = trackCall(route, options, manualClock(NOW_MS), async (record) => {
    const error = fail();
    if (error !== undefined) throw error;
    records.push(record);
  });
  return { route, call, records };
}

async function* chunks(...all: readonly unknown[]): AsyncGenerator<unknown, void, undefined> {
  for (const each of all) {
    if (each instanceof Error) throw each;
    yield each;
  }
}

async function readAll(stream: AsyncIterable<unknown>): Promise<readonly unknown[]> {
  const all: unknown[] = [];
  for await (const each of stream) all.push(each);
  return all;
}

describe("a tracked call", () => {
  test("that ended in full leaves its one record, with what was observed last", async () => {
    const { call, records, route } = track({ attempt: 2, labels: { team: "x" } });
    const stream = [
      { id: "c-1", usage: null },
      { id: "c-1", usage: { early: 1 } },
      { id: "c-1", choices: [], usage: USAGE },
    ];
    expect(await readAll(call.follow(chunks(...stream)))).toEqual(stream);
    await call.failed();
    expect(records).toEqual([
      {
        usageId: "call-1/2",
        account: "a1",
        agent: "agent",
        route: "route-1",
        callId: "call-1",
        attempt: 2,
        outcome: "SUCCEEDED",
        occurMs: NOW_MS,
        providerUsage: USAGE,
        providerRequestId: "c-1",
        labels: { team: "x" },
      },
    ]);
    expect(call.isEnded).toBe(true);
    expect(() => route.headers()).toThrow("wiped");
  });

  test("that its consumer leaves early is CANCELLED, and the stream below is let go", async () => {
    const { call, records } = track();
    let isLetGo = false;
    async function* endless(): AsyncGenerator<unknown, void, undefined> {
      try {
        for (;;) yield { id: "c-1", usage: USAGE };
      } finally {
        isLetGo = true;
      }
    }
    for await (const _ of call.follow(endless())) break;
    expect(records).toMatchObject([{ outcome: "CANCELLED", providerUsage: USAGE }]);
    expect(isLetGo).toBe(true);
  });

  test("that throws is FAILED and throws on; one that was aborted is CANCELLED", async () => {
    const failed = track();
    await expect(readAll(failed.call.follow(chunks({}, new Error("cut"))))).rejects.toThrow("cut");
    expect(failed.records).toMatchObject([{ outcome: "FAILED" }]);
    const abort = new DOMException("aborted", "AbortError");
    const aborted = track();
    await expect(readAll(aborted.call.follow(chunks(abort)))).rejects.toThrow("aborted");
    expect(aborted.records).toMatchObject([{ outcome: "CANCELLED" }]);
    const signalled = track({ signal: AbortSignal.abort() });
    await expect(readAll(signalled.call.follow(chunks(new Error("terminated"))))).rejects.toThrow();
    expect(signalled.records).toMatchObject([{ outcome: "CANCELLED" }]);
    // Some SDKs end an aborted stream without throwing.
    const silent = track({ signal: AbortSignal.abort() });
    await readAll(silent.call.follow(chunks({})));
    expect(silent.records).toMatchObject([{ outcome: "CANCELLED" }]);
  });

  test("whose chunks are wrapped is observed through `parse`, and one without a stream by its answer", async () => {
    const wrapped = track();
    const parse = (chunk: unknown) => (chunk as { readonly data: unknown }).data;
    await readAll(wrapped.call.follow(chunks({ data: { usage: USAGE } }), parse));
    expect(wrapped.records).toMatchObject([{ providerUsage: USAGE }]);
    const whole = track();
    await whole.call.succeeded({ id: "c-2", usage: USAGE });
    expect(whole.records).toMatchObject([{ providerUsage: USAGE, providerRequestId: "c-2" }]);
  });

  test("that goes out of scope without an end is CANCELLED", async () => {
    const { call, records } = track();
    await call[Symbol.asyncDispose]();
    await call[Symbol.asyncDispose]();
    expect(records).toMatchObject([{ outcome: "CANCELLED", providerUsage: undefined }]);
  });

  test("whose record finds the spool full keeps it: ending again records the very same", async () => {
    let isFull = true;
    const full = new HostError({ code: "RESOURCE_EXHAUSTED", reason: "SPOOL_FULL", message: "" });
    const { call, records } = track({}, () => (isFull ? full : undefined));
    await expect(call.succeeded({ usage: USAGE })).rejects.toBe(full);
    isFull = false;
    await call.cancelled();
    expect(records).toMatchObject([{ outcome: "SUCCEEDED", providerUsage: USAGE }]);
    await call.failed();
    expect(records).toHaveLength(1);
  });
});

describe("a record", () => {
  const good: UsageRecord = {
    usageId: "u-1",
    account: "a1",
    agent: "agent",
    occurMs: NOW_MS,
    route: "route-1",
    callId: "call-1",
    outcome: "SUCCEEDED",
    providerUsage: USAGE,
  };

  test("is sent with the provider's usage word for word", () => {
    const read = fromBinary(UsageRecordSchema, encodeUsageRecord(good));
    expect(read.kind).toMatchObject({ case: "modelCall", value: { usage: { case: "providerUsage", value: USAGE } } });
    expect(read.occurTime).toMatchObject({ seconds: 1_700_000_000n, nanos: 123_000_000 });
  });

  test("may carry counts instead", () => {
    const { providerUsage: _, ...rest } = good;
    const read = fromBinary(UsageRecordSchema, encodeUsageRecord({ ...rest, tokens: { inputUncached: 5, output: 7 } }));
    expect(read.kind).toMatchObject({ value: { usage: { value: { inputUncachedTokens: 5n, outputTokens: 7n } } } });
  });

  test("that the service would refuse is refused at once, with every wrong field", () => {
    const bad = {
      ...good,
      usageId: "",
      account: "a b",
      occurMs: Number.NaN,
      attempt: 1.5,
      providerUsage: { text: "x".repeat(9_000) },
      labels: { "Not Good": "x", long: "y".repeat(200) },
    };
    let thrown: unknown;
    try {
      encodeUsageRecord(bad);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(HostError);
    expect((thrown as HostError).violations.map(({ field }) => field)).toEqual([
      "usage_id",
      "account",
      "occur_time",
      "attempt",
      "provider_usage",
      "labels",
      "labels",
    ]);
  });
});

test("a report is cut to what the service reads, and carries the wait", () => {
  const message = reportMessage({
    route: { id: "route-1", callId: "call-1" },
    httpStatus: 429,
    providerError: { code: "c".repeat(300), message: "m".repeat(70_000) },
    retryAfterMs: 61_500,
  });
  expect(message.providerError?.code).toHaveLength(256);
  expect(message.providerError?.message).toHaveLength(65_536);
  expect(message.retryAfter).toEqual({ seconds: 61n, nanos: 500_000_000 });
  expect(message.callId).toBe("call-1");
});

describe("server-sent events", () => {
  async function* bytes(text: string, size: number): AsyncGenerator<Uint8Array, void, undefined> {
    const all = Buffer.from(text);
    for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
  }
  const TEXT =
    ': PROCESSING\r\n\r\nevent: message\ndata: {"text":"é…"}\n\ndata:{"n":2}\n\ndata: [DONE]\n\ndata: {"late":1}\n\n';

  test.each([1, 2, 3, 1_000])(
    "are read the same in pieces of %d bytes, comments passed over, up to [DONE]",
    async (size) => {
      expect(await readAll(readEvents(bytes(TEXT, size)))).toEqual([{ text: "é…" }, { n: 2 }]);
    },
  );

  test("that end before [DONE], or are no JSON, throw: the stream was cut", async () => {
    await expect(readAll(readEvents(bytes('data: {"n":1}\n\n', 5)))).rejects.toThrow("cut before its end");
    await expect(readAll(readEvents(bytes("data: {\n\n", 5)))).rejects.toThrow(SyntaxError);
  });
});
