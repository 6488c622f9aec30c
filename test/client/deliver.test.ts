import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { encodeUsageRecord } from "../../src/client/calls/usage-record.ts";
import { HostError, type HostErrorCode } from "../../src/client/host-error.ts";
import { type DeadLetters, openDeadLetters } from "../../src/client/spool/dead-letters.ts";
import { Deliverer, type DelivererDeps, type Refused } from "../../src/client/spool/deliver.ts";
import { Spool } from "../../src/client/spool/spool.ts";
import { UsageRecordSchema } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { keepingLog } from "../support/agent-host.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LIMITS = { recordsMax: 10_000, bytesMax: 100_000_000, segmentMaxBytes: 1_000_000 };
const FLUSH_MAX_MS = 10_000;

let directory: ReturnType<typeof temporaryDirectory>;
let spool: Spool;
let log: ReturnType<typeof keepingLog>;
let deliverer: Deliverer | undefined;
beforeEach(async () => {
  directory = temporaryDirectory();
  log = keepingLog();
  spool = await Spool.open(directory.path, LIMITS, log);
});
afterEach(async () => {
  await deliverer?.close();
  deliverer = undefined;
  await spool.close();
  directory.remove();
});

function deliverWith(send: DelivererDeps["send"], deadLetters?: DeadLetters): Deliverer {
  deliverer = new Deliverer({
    clock: systemClock,
    log,
    spool,
    deadLetters: deadLetters ?? openDeadLetters(directory.path, spool.writer),
    send,
  });
  return deliverer;
}

async function record(...ids: readonly string[]): Promise<void> {
  const what = {
    account: "a1",
    agent: "agent",
    occurMs: 1_700_000_000_000,
    route: "route-1",
    outcome: "SUCCEEDED",
  } as const;
  await Promise.all(ids.map((usageId) => spool.append(encodeUsageRecord({ ...what, usageId, callId: usageId }))));
}

const idOf = (payload: Uint8Array): string => fromBinary(UsageRecordSchema, payload).usageId;
const failure = (code: HostErrorCode, reason: string, retryAfterMs?: number): HostError =>
  new HostError({
    code,
    reason,
    message: `refused: ${reason}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });

/** A service that keeps what it takes and refuses what it is told to refuse. */
function service(refuse: (id: string) => Refused = () => undefined) {
  const taken: string[] = [];
  const sizes: number[] = [];
  const send: DelivererDeps["send"] = async (payloads) => {
    sizes.push(payloads.length);
    return payloads.map((payload) => {
      const refused = refuse(idOf(payload));
      if (refused === undefined) taken.push(idOf(payload));
      return refused;
    });
  };
  return { taken, sizes, send };
}

test("records are delivered in order, at most 500 at a time", async () => {
  const ids = Array.from({ length: 1_203 }, (_, index) => `record-${index}`);
  await record(...ids);
  const { taken, sizes, send } = service();
  expect(await deliverWith(send).flush(FLUSH_MAX_MS)).toBe(true);
  expect(taken).toEqual(ids);
  expect(sizes).toEqual([500, 500, 203]);
});

test("what comes while nothing waits is delivered by itself", async () => {
  const { taken, send } = service();
  deliverWith(send);
  await record("one");
  await vi.waitFor(() => expect(taken).toEqual(["one"]));
  await record("two");
  await vi.waitFor(() => expect(taken).toEqual(["one", "two"]));
});

test("a record that is refused for good becomes a dead letter with its reason, is logged, and holds up nobody", async () => {
  await record("good-1", "bad", "good-2");
  const { taken, send } = service((id) => (id === "bad" ? failure("NOT_FOUND", "ROUTE_NOT_FOUND") : undefined));
  expect(await deliverWith(send).flush(FLUSH_MAX_MS)).toBe(true);
  expect(taken).toEqual(["good-1", "good-2"]);
  const [line = "", ...more] = readFileSync(join(directory.path, `${spool.writer}.dead-letters.jsonl`), "utf8").split(
    "\n",
  );
  expect(more).toEqual([""]);
  expect(JSON.parse(line)).toMatchObject({
    code: "NOT_FOUND",
    reason: "ROUTE_NOT_FOUND",
    record: { usageId: "bad", account: "a1", modelCall: { route: "route-1" } },
  });
  expect(log.lines.join()).toContain(
    'error: a usage record was refused {"reason":"ROUTE_NOT_FOUND","code":"NOT_FOUND"}',
  );
});

test("while dead letters cannot be kept, the batch counts as not delivered", async () => {
  await record("bad");
  let isBroken = true;
  const kept: string[] = [];
  const { send } = service(() => failure("NOT_FOUND", "ROUTE_NOT_FOUND"));
  const letters: DeadLetters = {
    async keep(all) {
      if (isBroken) throw new Error("no room");
      kept.push(...all.map(({ payload }) => idOf(payload)));
    },
  };
  deliverWith(send, letters);
  await vi.waitFor(() => expect(log.lines.join()).toContain("cannot be delivered"));
  expect(spool.waiting.records).toBe(1);
  isBroken = false;
  await vi.waitFor(() => expect(kept).toEqual(["bad"]), { timeout: 5_000 });
});

test("a request that is refused as a whole is split until the one record is found that is the reason", async () => {
  const ids = Array.from({ length: 20 }, (_, index) => `record-${index}`);
  await record(...ids);
  const taken: string[] = [];
  const send: DelivererDeps["send"] = async (payloads) => {
    if (payloads.some((payload) => idOf(payload) === "record-13")) throw failure("INVALID_ARGUMENT", "FIELDS_INVALID");
    taken.push(...payloads.map(idOf));
    return payloads.map(() => undefined);
  };
  expect(await deliverWith(send).flush(FLUSH_MAX_MS)).toBe(true);
  expect(taken).toEqual(ids.filter((id) => id !== "record-13"));
  expect(readdirSync(directory.path).filter((name) => name.endsWith("jsonl"))).toHaveLength(1);
});

test.each<[HostErrorCode, string]>([
  ["UNAVAILABLE", "STORAGE_FULL"],
  ["UNAUTHENTICATED", "IDENTITY_INVALID"],
  ["PERMISSION_DENIED", "ROLE_NOT_ALLOWED"],
  ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"],
  ["INTERNAL", "INTERNAL"],
])("a service that answers %s %s gets the same records again, and no record is blamed", async (code, reason) => {
  await record("one", "two");
  const { taken, send } = service();
  let failures = 0;
  deliverWith((payloads) => {
    failures += 1;
    return failures <= 2 ? Promise.reject(failure(code, reason)) : send(payloads);
  });
  await vi.waitFor(() => expect(taken).toEqual(["one", "two"]), { timeout: 5_000 });
  expect(readdirSync(directory.path).filter((name) => name.endsWith("jsonl"))).toEqual([]);
  expect(log.lines.filter((line) => line.startsWith("warn: usage records are not delivered yet"))).toHaveLength(2);
});

test("one record that may be sent again later keeps its batch, and those that were taken count as delivered when they are repeated", async () => {
  await record("one", "later", "three");
  let isLater = true;
  const { taken, send } = service((id) =>
    id === "later" && isLater ? failure("UNAVAILABLE", "STORAGE_FULL", 1) : undefined,
  );
  deliverWith(send);
  await vi.waitFor(() => expect(taken).toContain("three"));
  expect(spool.waiting.records).toBe(3);
  isLater = false;
  await vi.waitFor(() => expect(spool.waiting.records).toBe(0), { timeout: 5_000 });
  expect(new Set(taken)).toEqual(new Set(["one", "later", "three"]));
});

test("flush tries at once what would otherwise wait for minutes after a failure", async () => {
  await record("one");
  const { taken, send } = service();
  let isAway = true;
  const waiting = deliverWith((payloads) =>
    isAway ? Promise.reject(failure("UNAVAILABLE", "DRAINING", 600_000)) : send(payloads),
  );
  await vi.waitFor(() => expect(log.lines.join()).toContain("not delivered yet"));
  isAway = false;
  expect(await waiting.flush(FLUSH_MAX_MS)).toBe(true);
  expect(taken).toEqual(["one"]);
});

test("flush says whether everything went, and waits no longer than it may", async () => {
  await record("one");
  const never = deliverWith(() => new Promise(() => {}));
  expect(await never.flush(20)).toBe(false);
  // Nothing ends the request of this test's service.
  deliverer = undefined;
});
