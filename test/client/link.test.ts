import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { manualClock, systemClock } from "../../src/base/clock.ts";
import { HostError } from "../../src/client/host-error.ts";
import { waitBeforeRetry, withRetries } from "../../src/client/link/retry.ts";
import { toHostError } from "../../src/client/link/service-error.ts";
import { refusalToStatus } from "../../src/doors/status.ts";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";

function serviceError(code: number, details: string, status?: Uint8Array): ServiceError {
  const metadata = new Metadata();
  if (status !== undefined) metadata.set("grpc-status-details-bin", Buffer.from(status));
  return Object.assign(new Error(details), { code, details, metadata });
}

describe("what the service said of a failure", () => {
  test("comes out whole: code, reason, metadata, every violation, the wait", () => {
    const status = refusalToStatus({
      reason: "KEY_RATE_LIMITED",
      message: "Wait.",
      metadata: { provider: "openai" },
      violations: [{ field: "a", description: "is wrong" }],
      retryAfterMs: 1_250,
    });
    const error = toHostError(serviceError(14, "Wait.", toBinary(StatusSchema, status)));
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({
      code: "UNAVAILABLE",
      reason: "KEY_RATE_LIMITED",
      message: "Wait.",
      metadata: { provider: "openai" },
      violations: [{ field: "a", description: "is wrong" }],
      retryAfterMs: 1_250,
    });
  });

  test.each([
    [14, "UNAVAILABLE", "SERVICE_UNREACHABLE"],
    [4, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"],
    [1, "CANCELLED", "CANCELLED"],
    [12, "UNIMPLEMENTED", "TRANSPORT"],
    [99, "UNKNOWN", "TRANSPORT"],
  ])("when it said nothing, code %d is told as %s, %s", (code, name, reason) => {
    expect(toHostError(serviceError(code, "no words"))).toMatchObject({ code: name, reason, retryAfterMs: undefined });
  });

  test("details that are torn, or somebody else's, are passed over", () => {
    expect(toHostError(serviceError(5, "x", Buffer.from([255, 255, 255])))).toMatchObject({ reason: "TRANSPORT" });
    const foreign = create(AnySchema, { typeUrl: "type.googleapis.com/somebody.Else", value: Buffer.from([1]) });
    const status = toBinary(StatusSchema, create(StatusSchema, { code: 5, message: "x", details: [foreign] }));
    expect(toHostError(serviceError(5, "x", status))).toMatchObject({ code: "NOT_FOUND", reason: "TRANSPORT" });
  });
});

describe("trying again", () => {
  const unavailable = (retryAfterMs?: number): HostError =>
    new HostError({
      code: "UNAVAILABLE",
      reason: "DRAINING",
      message: "",
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });

  test("happens for what is UNAVAILABLE alone, a bounded number of times, after growing waits", () => {
    for (const code of ["FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "INTERNAL"] as const)
      expect(waitBeforeRetry(new HostError({ code, reason: "x", message: "" }), 1, 10_000, 0)).toBeUndefined();
    expect(waitBeforeRetry(new Error("ours"), 1, 10_000, 0)).toBeUndefined();
    expect([1, 2, 3, 4, 5, 6, 7].map((tries) => waitBeforeRetry(unavailable(), tries, 100_000, 1))).toEqual([
      100, 200, 400, 800, 1_600, 2_000, 2_000,
    ]);
    expect(waitBeforeRetry(unavailable(), 1, 100_000, 0)).toBe(50);
    expect(waitBeforeRetry(unavailable(), 8, 100_000, 0)).toBeUndefined();
  });

  test("waits at least as long as the service says, and not at all when no time would be left", () => {
    expect(waitBeforeRetry(unavailable(500), 1, 10_000, 1)).toBe(600);
    expect(waitBeforeRetry(unavailable(500), 1, 550, 1)).toBeUndefined();
  });

  test("leaves a wait of more than two seconds to the caller, who may have something better to do", () => {
    expect(waitBeforeRetry(unavailable(2_000), 1, 10_000, 1)).toBe(2_100);
    expect(waitBeforeRetry(unavailable(2_001), 1, 60_000, 1)).toBeUndefined();
  });

  test("ends with the first success, or with the last error", async () => {
    let tries = 0;
    const succeedsAtThird = async (): Promise<number> => {
      tries += 1;
      if (tries < 3) throw unavailable();
      return tries;
    };
    expect(await withRetries(systemClock, { timeoutMs: 10_000 }, succeedsAtThird)).toBe(3);
    const last = unavailable(60_000);
    const never = withRetries(manualClock(0), { timeoutMs: 1_000 }, () => Promise.reject(last));
    await expect(never).rejects.toBe(last);
  });

  test("does not go on once the caller has left", async () => {
    const leaving = new AbortController();
    let tries = 0;
    const attempt = (): Promise<never> => {
      tries += 1;
      leaving.abort();
      return Promise.reject(unavailable());
    };
    const { signal } = leaving;
    await expect(withRetries(systemClock, { timeoutMs: 10_000, signal }, attempt)).rejects.toMatchObject({
      reason: "DRAINING",
    });
    expect(tries).toBe(1);
  });
});
