import { beforeEach, describe, expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { HostError } from "../../src/client/host-error.ts";
import { isRevoked, LeaseBook } from "../../src/client/routes/lease-book.ts";
import { ageMs, LEASE_MAX_MS, leaseLengthMs } from "../../src/client/routes/lease-length.ts";
import { type Resolved, Resolver, type WantedCall } from "../../src/client/routes/resolver.ts";
import type { LeasedRoute } from "../../src/client/routes/route.ts";

const START_MS = 1_700_000_000_000;
const MARGIN_MS = 1_000;
const HOUR_MS = 3_600_000;
const CREDENTIAL = "a credential";

let clock: ManualClock;
let leases: LeaseBook;
let isListening: boolean;
let asked: WantedCall[];
/** What the service answers; each test sets its own. */
let answer: (wanted: WantedCall) => Promise<Resolved>;
let resolver: Resolver;
let given: LeasedRoute[];

beforeEach(() => {
  clock = manualClock(START_MS);
  leases = new LeaseBook(3);
  isListening = true;
  asked = [];
  given = [];
  answer = async (wanted) => byok(wanted);
  resolver = new Resolver({
    clock,
    leases,
    ask: (wanted) => {
      asked.push(wanted);
      return answer(wanted);
    },
    isListening: () => isListening,
    marginMs: MARGIN_MS,
  });
});

function leasedRoute({ account, agent, model }: WantedCall, payer: "BYOK" | "HOSTED" = "BYOK"): LeasedRoute {
  const leased: LeasedRoute = {
    credential: Secret.fromText(CREDENTIAL),
    credentialHeader: "authorization",
    credentialPrefix: "Bearer ",
    furtherHeaders: { "x-title": "plori" },
    facts: {
      id: `route-${asked.length}`,
      account,
      agent,
      model,
      provider: "openai",
      baseUrl: "https://provider.example/v1",
      upstreamModel: "m",
      payer,
      key: payer === "BYOK" ? `accounts/${account}/keys/openai` : "",
      keyVersion: 2n,
      hold: undefined,
      maxOutputTokens: undefined,
      priceVersion: "",
    },
  };
  given.push(leased);
  return leased;
}

/** A route that the service lets be reused for five minutes from its own now, which is the host's unless told otherwise. */
function byok(wanted: WantedCall, servedMs: number | undefined = clock.nowMs()): Resolved {
  return { leased: leasedRoute(wanted), reuseUntilMs: (servedMs ?? clock.nowMs()) + LEASE_MAX_MS, servedMs };
}

const wanted = (callId: string, model = "m", agent = "b"): WantedCall => ({ account: "a", agent, model, callId });
const resolve = (call: WantedCall, signal?: AbortSignal) => resolver.resolve(call, { timeoutMs: 1_000, signal });
const later = <T>(): { promise: Promise<T>; give: (value: T) => void; fail: (error: unknown) => void } => {
  let give: (value: T) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const promise = new Promise<T>((resolvePromise, reject) => {
    give = resolvePromise;
    fail = reject;
  });
  return { promise, give, fail };
};

describe("how long a lease is", () => {
  const times = { reuseUntilMs: START_MS + LEASE_MAX_MS, servedMs: START_MS, sentWallMs: START_MS, marginMs: 0 };

  test("what the service says, by the service's clock, less the margin", () => {
    expect(leaseLengthMs(times)).toBe(LEASE_MAX_MS);
    expect(leaseLengthMs({ ...times, reuseUntilMs: START_MS + 30_000, marginMs: 1_000 })).toBe(29_000);
    expect(leaseLengthMs({ ...times, reuseUntilMs: START_MS })).toBe(0);
  });

  test.each([-HOUR_MS, HOUR_MS])(
    "a host clock that is %d ms off changes nothing when the service tells its time",
    (offMs) => {
      const short = { ...times, reuseUntilMs: START_MS + 30_000, sentWallMs: START_MS + offMs };
      expect(leaseLengthMs(short)).toBe(30_000);
    },
  );

  test("a host clock that is behind never makes it longer than five minutes, one that is ahead makes it none", () => {
    expect(leaseLengthMs({ ...times, servedMs: undefined, sentWallMs: START_MS - HOUR_MS })).toBe(LEASE_MAX_MS);
    expect(leaseLengthMs({ ...times, servedMs: undefined, sentWallMs: START_MS + HOUR_MS })).toBeLessThan(0);
    expect(leaseLengthMs({ ...times, reuseUntilMs: START_MS + 24 * HOUR_MS })).toBe(LEASE_MAX_MS);
  });

  test("neither a clock that is set back nor a machine that slept makes anything younger", () => {
    const since = { monotonicMs: 0, wallMs: START_MS };
    expect(ageMs(since, { monotonicMs: 5_000, wallMs: START_MS - HOUR_MS })).toBe(5_000);
    expect(ageMs(since, { monotonicMs: 10, wallMs: START_MS + HOUR_MS })).toBe(HOUR_MS);
  });
});

describe("reuse", () => {
  test("lasts until the margin before the end, then the service is asked again", async () => {
    await resolve(wanted("1"));
    clock.advance(LEASE_MAX_MS - MARGIN_MS - 1);
    expect(await resolve(wanted("2"))).toMatchObject({ isReused: true, callId: "2" });
    clock.advance(1);
    expect(await resolve(wanted("3"))).toMatchObject({ isReused: false });
    expect(asked).toHaveLength(2);
    expect(() => given[0]?.credential.reveal()).toThrow("wiped");
  });

  test("ends early when the wall clock says that the machine slept, and is not extended when it is set back", async () => {
    await resolve(wanted("1"));
    clock.stepWallTo(START_MS - HOUR_MS);
    clock.advance(LEASE_MAX_MS);
    expect(await resolve(wanted("2"))).toMatchObject({ isReused: false });
    clock.stepWallTo(clock.nowMs() + HOUR_MS);
    expect(await resolve(wanted("3"))).toMatchObject({ isReused: false });
  });

  test("is counted from when the request was sent, not from its answer", async () => {
    const slow = later<Resolved>();
    answer = () => slow.promise;
    const first = resolve(wanted("1"));
    const reply = byok(wanted("1"));
    clock.advance(LEASE_MAX_MS - MARGIN_MS);
    slow.give(reply);
    await first;
    answer = async (call) => byok(call);
    expect(await resolve(wanted("2"))).toMatchObject({ isReused: false });
  });

  test("a caller's copy outlives its lease, and wiping it leaves the lease alone", async () => {
    const first = await resolve(wanted("1"));
    resolver.revokeAll();
    expect(Buffer.from(first.credential.reveal()).toString()).toBe(CREDENTIAL);
    expect(first.headers()).toEqual({ authorization: `Bearer ${CREDENTIAL}`, "x-title": "plori" });
    await resolve(wanted("2"));
    const third = await resolve(wanted("3"));
    third.credential.wipe();
    expect(() => third.headers()).toThrow("wiped");
    expect((await resolve(wanted("4"))).headers()["authorization"]).toBe(`Bearer ${CREDENTIAL}`);
  });

  test("is bounded: the route that was unused the longest goes, and its credential is wiped", async () => {
    for (const model of ["m1", "m2", "m3"]) await resolve(wanted("1", model));
    await resolve(wanted("2", "m1"));
    await resolve(wanted("1", "m4"));
    expect(leases.size).toBe(3);
    expect(given.map(({ credential, facts }) => [facts.model, isWiped(credential)])).toEqual([
      ["m1", false],
      ["m2", true],
      ["m3", false],
      ["m4", false],
    ]);
  });

  test("a hosted route, and one without a time, are not kept: their credential is wiped but for the caller's copy", async () => {
    answer = async (call) => ({ ...byok(call), leased: leasedRoute(call, "HOSTED") });
    const hosted = await resolve(wanted("1"));
    expect(Buffer.from(hosted.credential.reveal()).toString()).toBe(CREDENTIAL);
    answer = async (call) => ({ ...byok(call), reuseUntilMs: undefined });
    await resolve(wanted("2"));
    expect(leases.size).toBe(0);
    expect(given.slice(1).every(({ credential }) => isWiped(credential))).toBe(true);
  });

  test("ends, with everything wiped, when revocations are not heard, and begins with what is asked after that", async () => {
    await resolve(wanted("1"));
    isListening = false;
    expect(await resolve(wanted("2"))).toMatchObject({ isReused: false });
    expect(leases.size).toBe(0);
    expect(given.every(({ credential }) => isWiped(credential))).toBe(true);
    const slow = later<Resolved>();
    answer = () => slow.promise;
    const third = resolve(wanted("3"));
    isListening = true;
    slow.give(byok(wanted("3")));
    await third;
    expect(leases.size).toBe(0);
  });
});

function isWiped(secret: Secret): boolean {
  try {
    return secret.reveal().length < 0;
  } catch {
    return true;
  }
}

describe("revocations", () => {
  const route = { account: "a", agent: "b", key: "accounts/a/keys/openai", keyVersion: 2n };
  const all = { account: "a", agent: "", key: "", keyVersion: 0n };

  test.each([
    ["the account", all, true],
    ["every account", { ...all, account: "" }, true],
    ["another account", { ...all, account: "c" }, false],
    ["the agent", { ...all, agent: "b" }, true],
    ["another agent", { ...all, agent: "c" }, false],
    ["the key", { ...all, key: route.key }, true],
    ["another key", { ...all, key: "accounts/a/keys/xai" }, false],
    ["this version", { ...all, key: route.key, keyVersion: 2n }, true],
    ["a newer version, this one being older", { ...all, key: route.key, keyVersion: 3n }, true],
    ["an older version", { ...all, key: route.key, keyVersion: 1n }, false],
  ])("of %s", (_what, revoked, expected) => {
    expect(isRevoked(route, revoked)).toBe(expected);
  });

  test("a route that was asked for before a revocation and comes after it serves its call, and is not kept", async () => {
    const slow = later<Resolved>();
    answer = () => slow.promise;
    const first = resolve(wanted("1"));
    resolver.revoke({ ...all, key: route.key, keyVersion: 2n });
    slow.give(byok(wanted("1")));
    expect(await first).toMatchObject({ isReused: false });
    expect(leases.size).toBe(0);
    expect(isWiped(given[0]?.credential ?? Secret.fromText(""))).toBe(true);
  });

  test("one that concerns somebody else does not stop a route on its way from being kept", async () => {
    const slow = later<Resolved>();
    answer = () => slow.promise;
    const first = resolve(wanted("1"));
    resolver.revoke({ ...all, account: "c" });
    resolver.revoke({ ...all, key: route.key, keyVersion: 1n });
    slow.give(byok(wanted("1")));
    await first;
    expect(leases.size).toBe(1);
  });
});

describe("one question at a time", () => {
  test("those who ask the same while it is under way share its answer", async () => {
    const slow = later<Resolved>();
    answer = () => slow.promise;
    const routes = ["1", "2", "3"].map((callId) => resolve(wanted(callId)));
    slow.give(byok(wanted("1")));
    expect((await Promise.all(routes)).map(({ callId, isReused }) => [callId, isReused])).toEqual([
      ["1", false],
      ["2", true],
      ["3", true],
    ]);
    expect(asked).toHaveLength(1);
  });

  test("what serves one call is asked for by everybody, and next time without waiting for one another", async () => {
    answer = async (call) => ({ ...byok(call), leased: leasedRoute(call, "HOSTED") });
    const routes = await Promise.all(["1", "2", "3"].map((callId) => resolve(wanted(callId))));
    expect(routes.map(({ isReused }) => isReused)).toEqual([false, false, false]);
    expect(asked.map(({ callId }) => callId).toSorted()).toEqual(["1", "2", "3"]);
    const slow = later<Resolved>();
    answer = () => slow.promise;
    const together = ["4", "5"].map((callId) => resolve(wanted(callId)));
    expect(asked).toHaveLength(5);
    slow.give(byok(wanted("4")));
    await Promise.all(together);
  });

  test("a refusal that holds for all is shared; one of a single call is not", async () => {
    const dead = new HostError({ code: "FAILED_PRECONDITION", reason: "KEY_DEAD", message: "dead" });
    answer = async () => {
      throw dead;
    };
    const shared = await Promise.allSettled(["1", "2", "3"].map((callId) => resolve(wanted(callId))));
    expect(shared.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(asked).toHaveLength(1);
    answer = async (call) => {
      if (call.callId === "4")
        throw new HostError({ code: "FAILED_PRECONDITION", reason: "CALL_SETTLED", message: "" });
      return byok(call);
    };
    const single = await Promise.allSettled(["4", "5"].map((callId) => resolve(wanted(callId))));
    expect(single.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  });

  test("who gives up waiting does not disturb the one who asked", async () => {
    const slow = later<Resolved>();
    answer = () => slow.promise;
    const first = resolve(wanted("1"));
    const leaving = new AbortController();
    const second = resolve(wanted("2"), leaving.signal);
    leaving.abort();
    await expect(second).rejects.toMatchObject({ code: "CANCELLED" });
    slow.give(byok(wanted("1")));
    expect(await first).toMatchObject({ callId: "1" });
  });
});
