import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError, refuse } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Provider } from "../../src/base/provider.ts";
import { Secret } from "../../src/base/secret.ts";
import type { Caller } from "../../src/identity/roles.ts";
import { createKeyKeeper } from "../../src/keyvault/key-keeper.ts";
import { createKeyReports } from "../../src/keyvault/key-reports.ts";
import type { KeyRecord } from "../../src/keyvault/ports.ts";
import { createProbeBudget } from "../../src/keyvault/probe-budget.ts";
import type { ProbeOutcome } from "../../src/providers/descriptor.ts";
import type { ReportOutcomeInput } from "../../src/router/check-report.ts";
import { DEFAULT_POLICY, type RoutingPolicy } from "../../src/router/decision.ts";
import { createKeyWatch, heldBackFor, trialCall } from "../../src/router/key-watch.ts";
import type { ReleasedRoute } from "../../src/router/ports.ts";
import { reportOutcome } from "../../src/router/report-outcome.ts";
import { createMemoryKeyStore } from "../support/memory-key-store.ts";
import { testMutation } from "../support/mutation.ts";

const NOW_MS = 1_790_000_000_000;
const MINUTE_MS = 60_000;

function host(name: string): Caller {
  return { spiffeId: `spiffe://dev.plori.internal/agent-host/${name}`, role: "agent-host", name };
}

/** Reports over the real keeper, with a provider that answers as the test says. */
async function openReports(changes: Partial<KeyRecord> = {}, policy: RoutingPolicy = DEFAULT_POLICY) {
  const clock = manualClock(NOW_MS);
  const memory = createMemoryKeyStore();
  const { account = "acct-1", provider = "openai" } = changes;
  const record: KeyRecord = {
    account,
    keyId: provider,
    provider,
    version: 1,
    revision: 1,
    source: "PASTED",
    state: "ACTIVE",
    stateReason: "",
    createMs: NOW_MS,
    ...changes,
  };
  const sealed = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) };
  const put = (next: KeyRecord, replacesVersion = 0) =>
    memory.store.put(
      { record: next, sealed, fingerprint: new Uint8Array(32), replacesVersion, probeDueMs: NOW_MS },
      testMutation(account),
    );
  await put(record);
  let outcome: ProbeOutcome = "valid";
  let probes = 0;
  const keeper = createKeyKeeper({
    keys: memory.store,
    clock,
    probeBudget: createProbeBudget(clock),
    opener: { open: async () => Secret.fromText("x") },
    prober: {
      async probe() {
        probes += 1;
        return { outcome, reason: "of ours" };
      },
    },
  });
  const routes = new Map<string, ReleasedRoute>();
  const keyWatch = createKeyWatch();
  const deps = {
    routes: { find: async (routeId: string) => routes.get(routeId) },
    reports: createKeyReports({ keeper, clock, log: silentLog }),
    policyDirectory: { policyOf: async (asked: string) => (asked === "acct-1" ? policy : DEFAULT_POLICY) },
    keyWatch,
    clock,
  };
  const route = (routeId: string, facts: Partial<ReleasedRoute> = {}) =>
    routes.set(routeId, {
      routeId,
      account: "acct-1",
      host: "host-1",
      callId: "call-1",
      payer: account === "platform" ? "HOSTED" : "BYOK",
      provider,
      upstreamModel: "m1",
      keyAccount: account,
      keyId: record.keyId,
      keyVersion: 1,
      createMs: clock.nowMs(),
      ...facts,
    });
  route("r1");
  return {
    ...memory,
    clock,
    keyWatch,
    route,
    put,
    record,
    probes: () => probes,
    judge: (next: ProbeOutcome) => {
      outcome = next;
    },
    report: (input: Partial<ReportOutcomeInput> = {}, caller: Caller = host("host-1")) =>
      reportOutcome(
        deps,
        {
          routeId: "r1",
          callId: "call-1",
          httpStatus: 200,
          errorCode: "",
          errorMessage: "",
          retryAfterMs: undefined,
          ...input,
        },
        caller,
      ),
    found: () => memory.store.find(account, record.keyId),
    heldBack: (name: string, model = "m1") => {
      const key = { ...record, sealed };
      return heldBackFor(keyWatch, name, "call-9", clock.nowMs())(key, model)?.trouble;
    },
  };
}

async function refusal(attempt: Promise<unknown>): Promise<PloriError> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PloriError)) throw new Error("expected a refusal");
  return error;
}

const REFUSED = { httpStatus: 401, errorCode: "invalid_api_key" };
const EMPTY = { httpStatus: 429, errorCode: "insufficient_quota" };

describe("who may report", () => {
  test("another host's route looks exactly like one that does not exist", async () => {
    const { report } = await openReports();
    const foreign = await refusal(report(REFUSED, host("host-2")));
    const missing = await refusal(report({ ...REFUSED, routeId: "r1-missing" }));
    expect(foreign.reason).toBe("ROUTE_NOT_FOUND");
    expect(missing.message.replace("r1-missing", "r1")).toBe(foreign.message);
    const settings: Caller = { spiffeId: "spiffe://dev.plori.internal/settings/x", role: "settings", name: "host-1" };
    expect((await refusal(report(REFUSED, settings))).reason).toBe("ROUTE_NOT_FOUND");
  });

  test("wrong fields are all named, and the provider's text stands in no error", async () => {
    const { report } = await openReports();
    const error = await refusal(
      report({
        routeId: "",
        callId: " ",
        httpStatus: 99,
        errorCode: "c".repeat(257),
        errorMessage: "m".repeat(65_537),
        retryAfterMs: -1,
      }),
    );
    expect(error.refusal.violations?.map(({ field }) => field)).toEqual([
      "route",
      "call_id",
      "http_status",
      "provider_error.code",
      "provider_error.message",
      "retry_after",
    ]);
    expect(inspect(error, { depth: 9 })).not.toContain("mmmm");
  });

  test("a hosted route is reported for its own call only", async () => {
    const { report } = await openReports({ account: "platform" });
    const error = await refusal(report({ callId: "call-2" }));
    expect(error.refusal.violations).toMatchObject([{ field: "call_id" }]);
  });
});

describe("a refused key", () => {
  test("is dead once our own probe says so, and the host is told to stop", async () => {
    const { report, judge, audit } = await openReports();
    judge("invalid");
    const told = await report({ ...REFUSED, errorMessage: "Incorrect API key provided: abcd****wxyz" });
    expect(told).toMatchObject({ advice: "STOP", key: { state: "DEAD" } });
    expect(audit.at(-1)).toMatchObject({
      kind: "key.state-changed",
      caller: host("host-1").spiffeId,
      details: { cause: "report", finding: "key_refused", outcome: "invalid", route: "r1", from: "ACTIVE", to: "DEAD" },
    });
    expect(inspect(audit, { depth: 9 })).not.toContain("wxyz");
  });

  test("is alive when our probe says so, whatever the host claims", async () => {
    const { report, found } = await openReports();
    expect(await report(REFUSED)).toMatchObject({ advice: "RETRY_SAME", key: { state: "ACTIVE" } });
    expect(await found()).toMatchObject({ state: "ACTIVE" });
  });

  test("stays as it is when the provider is silent or the account's probes are used up", async () => {
    const { report, judge, found, probes } = await openReports();
    judge("unknown");
    for (let tries = 0; tries < 30; tries += 1) expect((await report(REFUSED)).key?.state).toBe("ACTIVE");
    expect(probes()).toBe(6);
    expect(await found()).toMatchObject({ state: "ACTIVE", revision: 1 });
  });

  test("that was replaced meanwhile hurts nobody: the host asks for a new route", async () => {
    const { report, judge, put, record, found, probes } = await openReports();
    await put({ ...record, version: 2 }, 1);
    judge("invalid");
    for (const late of [REFUSED, EMPTY, { httpStatus: 429 }, { httpStatus: 403 }]) {
      expect(await report(late)).toEqual({ advice: "RESOLVE_AGAIN", key: undefined });
    }
    expect(await found()).toMatchObject({ version: 2, state: "ACTIVE", revision: 1 });
    expect(probes()).toBe(0);
  });
});

describe("a rate limit", () => {
  test("is kept for the model of the route as long as told, an hour at most, and the same route may be tried again", async () => {
    const { report, found, clock } = await openReports();
    const told = await report({ httpStatus: 429, retryAfterMs: 30_000 });
    expect(told).toMatchObject({ advice: "RETRY_SAME", key: { state: "RATE_LIMITED", stateUntilMs: NOW_MS + 30_000 } });
    expect(await found()).toMatchObject({ modelLimits: { m1: NOW_MS + 30_000 } });
    await report({ httpStatus: 429, retryAfterMs: 86_400_000 });
    expect((await found())?.stateUntilMs).toBe(NOW_MS + 60 * MINUTE_MS);
    clock.advance(60 * MINUTE_MS);
    expect(await report({ httpStatus: 500 })).toMatchObject({ advice: "RETRY_SAME", key: { state: "ACTIVE" } });
  });

  test("reported again and again is written down once", async () => {
    const { report, found } = await openReports();
    for (let tries = 0; tries < 20; tries += 1) await report({ httpStatus: 429, retryAfterMs: 30_000 });
    expect(await found()).toMatchObject({ revision: 2 });
  });
});

describe("an empty account", () => {
  test("holds the key back; the call after the wait, and no other, brings it back", async () => {
    const { report, route, found, clock } = await openReports();
    expect(await report(EMPTY)).toMatchObject({
      advice: "STOP",
      key: { state: "EXHAUSTED", stateUntilMs: NOW_MS + 5 * MINUTE_MS },
    });
    clock.advance(5 * MINUTE_MS);
    // A call on the route of before the wait ends well, late.
    await report();
    expect(await found()).toMatchObject({ state: "EXHAUSTED" });
    route("r2");
    expect(await report({ ...EMPTY, routeId: "r2" })).toMatchObject({
      key: { state: "EXHAUSTED", stateUntilMs: NOW_MS + 15 * MINUTE_MS },
    });
    // The same report once more does what it did once.
    await report({ ...EMPTY, routeId: "r2" });
    expect(await found()).toMatchObject({ stateUntilMs: NOW_MS + 15 * MINUTE_MS });
    clock.advance(10 * MINUTE_MS);
    route("r3");
    expect(await report({ routeId: "r3" })).toMatchObject({ advice: "RETRY_SAME", key: { state: "ACTIVE" } });
  });

  test("may be tried by the next call once the trial before was reported, however it ended, but not because of another call's report", async () => {
    const { report, route, clock, keyWatch } = await openReports();
    await report(EMPTY);
    clock.advance(5 * MINUTE_MS);
    const key = { account: "acct-1", keyId: "openai", version: 1 };
    route("r2", { callId: "call-2" });
    route("r3", { callId: "call-3" });
    const isTaken = () => keyWatch.trials.isTaken(key, trialCall("host-1", "call-9"), clock.nowMs());
    keyWatch.trials.take(key, trialCall("host-1", "call-3"), clock.nowMs());
    await report({ routeId: "r2", callId: "call-2", httpStatus: 503 });
    expect(isTaken()).toBe(true);
    await report({ routeId: "r3", callId: "call-3", httpStatus: 503 });
    expect(isTaken()).toBe(false);
  });

  test("is the probe's to judge where the probe shows the account", async () => {
    const { report, judge, found } = await openReports({ provider: "deepseek" });
    expect(await report({ httpStatus: 402 })).toMatchObject({ key: { state: "ACTIVE" } });
    judge("valid_no_credit");
    expect(await report({ httpStatus: 402 })).toMatchObject({ advice: "STOP", key: { state: "EXHAUSTED" } });
    expect((await found())?.stateFrom).toBeUndefined();
  });
});

test("a hundred hosts that report at once all get their answer, and nothing of what they told is lost", async () => {
  const { report, route, found } = await openReports();
  for (let index = 0; index < 100; index += 1) route(`r-${index}`, { upstreamModel: `m${index % 20}` });
  const told = Array.from({ length: 100 }, (_none, index) =>
    report({ routeId: `r-${index}`, httpStatus: 429, retryAfterMs: 10_000 * (1 + index) }),
  );
  const answers = await Promise.all(told);
  expect(new Set(answers.map(({ key }) => key?.state))).toEqual(new Set(["RATE_LIMITED"]));
  const limits = Object.entries((await found())?.modelLimits ?? {});
  expect(limits).toHaveLength(20);
  for (const [model, untilMs] of limits) expect(untilMs).toBe(NOW_MS + 10_000 * (81 + Number(model.slice(1))));
});

test("requests and models that are refused, and providers that are down, say nothing about the key", async () => {
  const { report, found, probes } = await openReports();
  expect((await report({ httpStatus: 400 })).advice).toBe("STOP");
  expect((await report({ httpStatus: 404 })).advice).toBe("STOP");
  expect((await report({ httpStatus: 503 })).advice).toBe("RETRY_SAME");
  expect((await report({ httpStatus: 0 })).advice).toBe("RETRY_SAME");
  expect(await found()).toMatchObject({ state: "ACTIVE", revision: 1 });
  expect(probes()).toBe(0);
});

describe("about one of plori's own keys", () => {
  test("a report holds for the reporting host alone, and its time goes by", async () => {
    const { report, heldBack, found, clock } = await openReports({ account: "platform" });
    const told = await report({ httpStatus: 429, retryAfterMs: 30_000 });
    expect(told).toMatchObject({ advice: "RESOLVE_AGAIN", key: { state: "RATE_LIMITED" } });
    expect([heldBack("host-1"), heldBack("host-1", "m2"), heldBack("host-2")]).toEqual([
      "KEY_RATE_LIMITED",
      undefined,
      undefined,
    ]);
    await report(EMPTY);
    expect([heldBack("host-1", "m2"), heldBack("host-2")]).toEqual(["KEY_EXHAUSTED", undefined]);
    expect(await found()).toMatchObject({ state: "ACTIVE" });
    clock.advance(5 * MINUTE_MS);
    expect(heldBack("host-1")).toBeUndefined();
  });

  test("a refusal is believed once our probe agrees, for every host, and forgotten when it does not", async () => {
    const { report, heldBack, found, judge } = await openReports({ account: "platform" });
    expect(await report(REFUSED)).toMatchObject({ advice: "RETRY_SAME", key: { state: "ACTIVE" } });
    expect(heldBack("host-1")).toBeUndefined();
    judge("unknown");
    await report(REFUSED);
    judge("invalid");
    expect(await report(REFUSED)).toMatchObject({ advice: "RESOLVE_AGAIN", key: { state: "DEAD" } });
    expect(await found()).toMatchObject({ state: "DEAD" });
  });
});

test("a lying host kills nothing: no reports alone make a live key dead, blocked or unreadable", async () => {
  const provider: fc.Arbitrary<Provider> = fc.constantFrom(
    "openrouter",
    "openai",
    "deepseek",
    "groq",
    "xai",
    "together",
  );
  const lie = fc.record({
    httpStatus: fc.oneof(
      fc.constantFrom(0, 200, 400, 401, 402, 403, 404, 429, 498, 500),
      fc.integer({ min: 100, max: 599 }),
    ),
    errorCode: fc.constantFrom("", "invalid_api_key", "insufficient_quota", "blocked_api_access", "model_not_found"),
    errorMessage: fc.constantFrom("", "Incorrect API key provided", "Missing scopes: x", "used all available credits"),
    retryAfterMs: fc.option(fc.nat(10 ** 10), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(provider, fc.array(fc.tuple(lie, fc.nat(10 ** 6)), { maxLength: 25 }), async (slug, lies) => {
      const { report, found, clock } = await openReports({ provider: slug });
      for (const [input, waitMs] of lies) {
        await report(input);
        clock.advance(waitMs);
      }
      expect(["ACTIVE", "RATE_LIMITED", "EXHAUSTED"]).toContain((await found())?.state);
    }),
    { numRuns: 60 },
  );
});

test("trouble of our own while probing refuses no report", async () => {
  const opened = await openReports();
  opened.judge("valid");
  const reports = createKeyReports({
    keeper: {
      find: async () => opened.record,
      note: async () => opened.record,
      probe: () => Promise.reject(refuse("KMS_UNAVAILABLE", "away")),
    },
    clock: opened.clock,
    log: silentLog,
  });
  const cause = { caller: "x", details: {} };
  expect(await reports.probe({ account: "acct-1", keyId: "openai", version: 1 }, cause)).toBe("not-probed");
});

test.each([
  ["STOP", "STOP"],
  ["OTHER_KEYS", "RESOLVE_AGAIN"],
  ["CREDITS", "RESOLVE_AGAIN"],
] as const)("under %s a dead key's host is told to %s", async (onKeyFailure, advice) => {
  const reports = await openReports({}, { onKeyFailure });
  reports.judge("invalid");
  expect(await reports.report({ httpStatus: 401, errorCode: "invalid_api_key" })).toMatchObject({ advice });
});
