import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type KeyEvent, nextState } from "../../src/keyvault/next-state.ts";
import type { KeyStanding, KeyState } from "../../src/keyvault/ports.ts";
import { nextProbeMs } from "../../src/keyvault/state-waits.ts";
import type { ProbeOutcome } from "../../src/providers/descriptor.ts";

const NOW_MS = 1_790_000_000_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const STATES = ["ACTIVE", "UNVERIFIED", "RATE_LIMITED", "EXHAUSTED", "BLOCKED", "DEAD", "UNREADABLE"] as const;

/** A key in each state, as a probe left it; those that wait still wait. */
function standing(state: KeyState, changes: Partial<KeyStanding> = {}): KeyStanding {
  const waits = state === "RATE_LIMITED" || state === "EXHAUSTED" ? { stateUntilMs: NOW_MS + MINUTE_MS } : {};
  return { state, stateReason: "earlier", ...waits, ...changes };
}

function probed(outcome: ProbeOutcome, changes: Partial<Extract<KeyEvent, { kind: "probed" }>> = {}): KeyEvent {
  return { kind: "probed", outcome, reason: "of ours", tellsCredit: false, onDemand: false, ...changes };
}

const rateLimit: KeyEvent = { kind: "reported-rate-limit", model: "m1", retryAfterMs: 30_000 };
const noCredit: KeyEvent = { kind: "reported-no-credit", reason: "of ours", trial: false };
const success: KeyEvent = { kind: "reported-success", trial: false };

describe("every state and event", () => {
  /** The states that follow ACTIVE, UNVERIFIED, RATE_LIMITED, EXHAUSTED, BLOCKED, DEAD and UNREADABLE, by the first letters that tell them apart. */
  const TABLE: readonly (readonly [string, KeyEvent, string])[] = [
    ["an accepting probe", probed("valid"), "ACTIVE ACTIVE ACTIVE ACTIVE ACTIVE ACTIVE ACTIVE"],
    ["a probe without scope", probed("valid_restricted"), "ACTIVE ACTIVE ACTIVE ACTIVE ACTIVE ACTIVE ACTIVE"],
    [
      "a probe that sees no credit",
      probed("valid_no_credit"),
      "EXHAUSTED EXHAUSTED EXHAUSTED EXHAUSTED EXHAUSTED EXHAUSTED EXHAUSTED",
    ],
    ["a refusing probe", probed("invalid"), "DEAD DEAD DEAD DEAD DEAD DEAD DEAD"],
    ["a probe that finds it disabled", probed("blocked"), "BLOCKED BLOCKED BLOCKED BLOCKED BLOCKED BLOCKED BLOCKED"],
    ["a probe of a management key", probed("wrong_kind"), "BLOCKED BLOCKED BLOCKED BLOCKED BLOCKED BLOCKED BLOCKED"],
    [
      "a rate limited probe",
      probed("rate_limited"),
      "RATE_LIMITED RATE_LIMITED RATE_LIMITED EXHAUSTED BLOCKED DEAD RATE_LIMITED",
    ],
    ["silence", probed("unknown"), "ACTIVE UNVERIFIED RATE_LIMITED EXHAUSTED BLOCKED DEAD UNVERIFIED"],
    [
      "a refused network",
      probed("network_refused"),
      "ACTIVE UNVERIFIED RATE_LIMITED EXHAUSTED BLOCKED DEAD UNVERIFIED",
    ],
    ["a reported rate limit", rateLimit, "RATE_LIMITED UNVERIFIED RATE_LIMITED EXHAUSTED BLOCKED DEAD UNREADABLE"],
    ["a reported empty account", noCredit, "EXHAUSTED EXHAUSTED EXHAUSTED EXHAUSTED BLOCKED DEAD UNREADABLE"],
    ["a reported success", success, "ACTIVE UNVERIFIED RATE_LIMITED EXHAUSTED BLOCKED DEAD UNREADABLE"],
    [
      "a reported success of a trial",
      { ...success, trial: true },
      "ACTIVE UNVERIFIED RATE_LIMITED ACTIVE BLOCKED DEAD UNREADABLE",
    ],
    [
      "a record that does not open",
      { kind: "unreadable" },
      "UNREADABLE UNREADABLE UNREADABLE UNREADABLE UNREADABLE UNREADABLE UNREADABLE",
    ],
    ["time", { kind: "time" }, "ACTIVE UNVERIFIED RATE_LIMITED EXHAUSTED BLOCKED DEAD UNREADABLE"],
  ];

  test.each(TABLE)("%s", (_name, event, after) => {
    expect(STATES.map((state) => nextState(standing(state), event, NOW_MS).state).join(" ")).toBe(after);
  });
});

describe("an empty account", () => {
  test("waits 5 minutes, twice as long after each failed trial, an hour at most, and starts over once it worked", () => {
    let key = nextState(standing("ACTIVE"), noCredit, NOW_MS);
    const waits: number[] = [];
    let atMs = NOW_MS;
    for (let round = 0; round < 7; round += 1) {
      waits.push(((key.stateUntilMs ?? 0) - atMs) / MINUTE_MS);
      atMs = key.stateUntilMs ?? 0;
      key = nextState(key, { ...noCredit, trial: true }, atMs);
    }
    expect(waits).toEqual([5, 10, 20, 40, 60, 60, 60]);
    const worked = nextState(key, { ...success, trial: true }, atMs);
    expect(worked).toEqual({ state: "ACTIVE", stateReason: "" });
    expect(nextState(worked, noCredit, atMs).stateUntilMs).toBe(atMs + 5 * MINUTE_MS);
  });

  test("is not made to wait longer by late words of calls that were made before", () => {
    const waiting = nextState(standing("ACTIVE"), noCredit, NOW_MS);
    expect(nextState(waiting, noCredit, NOW_MS + MINUTE_MS)).toBe(waiting);
    expect(nextState(waiting, noCredit, NOW_MS + HOUR_MS)).toBe(waiting);
    expect(nextState(waiting, success, NOW_MS + HOUR_MS)).toBe(waiting);
  });

  test("that a host reported is not cleared by a probe that cannot see it; its owner's probe lets the trial call come at once", () => {
    const reported = nextState(standing("ACTIVE"), noCredit, NOW_MS);
    const byTimer = nextState(reported, probed("valid"), NOW_MS + 1_000);
    expect(byTimer).toMatchObject({ state: "EXHAUSTED", stateUntilMs: NOW_MS + 5 * MINUTE_MS });
    const byOwner = nextState(reported, probed("valid", { onDemand: true }), NOW_MS + 1_000);
    expect(byOwner).toMatchObject({ state: "EXHAUSTED", stateUntilMs: NOW_MS + 1_000 });
    expect(nextState(reported, probed("valid", { tellsCredit: true }), NOW_MS + 1_000).state).toBe("ACTIVE");
  });

  test("that a probe saw is over when a probe sees no more of it", () => {
    const seen = nextState(standing("ACTIVE"), probed("valid_no_credit"), NOW_MS);
    expect(nextState(seen, probed("valid"), NOW_MS + 1_000).state).toBe("ACTIVE");
    const reported = nextState(nextState(standing("ACTIVE"), noCredit, NOW_MS), probed("valid_no_credit"), NOW_MS);
    expect(nextState(reported, probed("valid"), NOW_MS + 1_000).state).toBe("ACTIVE");
  });
});

describe("a rate limit", () => {
  const limit = (model: string, retryAfterMs?: number): KeyEvent => ({
    kind: "reported-rate-limit",
    model,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });

  test("holds for the model that it was met with, as long as told, an hour at most, and goes by itself", () => {
    let key = nextState(standing("ACTIVE"), limit("m1", 30_000), NOW_MS);
    key = nextState(key, limit("m2", 10 * HOUR_MS), NOW_MS);
    expect(key).toMatchObject({
      state: "RATE_LIMITED",
      stateUntilMs: NOW_MS + HOUR_MS,
      modelLimits: { m1: NOW_MS + 30_000, m2: NOW_MS + HOUR_MS },
    });
    expect(nextState(key, { kind: "time" }, NOW_MS + 30_000).modelLimits).toEqual({ m2: NOW_MS + HOUR_MS });
    expect(nextState(key, { kind: "time" }, NOW_MS + HOUR_MS)).toEqual({ state: "ACTIVE", stateReason: "" });
  });

  test("is never shortened by a report, and is a minute when nobody says how long", () => {
    const key = nextState(standing("ACTIVE"), limit("m1"), NOW_MS);
    expect(key.stateUntilMs).toBe(NOW_MS + MINUTE_MS);
    expect(nextState(key, limit("m1", 1_000), NOW_MS + 1)).toBe(key);
  });

  test("does not verify a key that never was", () => {
    const key = nextState(standing("UNVERIFIED"), limit("m1", 30_000), NOW_MS);
    expect(key).toMatchObject({ state: "UNVERIFIED", modelLimits: { m1: NOW_MS + 30_000 } });
    expect(key.stateUntilMs).toBeUndefined();
    expect(nextState(key, { kind: "time" }, NOW_MS + 30_000)).toEqual(standing("UNVERIFIED"));
  });

  test("that hosts meet is not ended by our probe getting through; one that our probe met is", () => {
    const reported = nextState(standing("ACTIVE"), limit("m1", 30_000), NOW_MS);
    expect(nextState(reported, probed("valid"), NOW_MS + 1).modelLimits).toEqual({ m1: NOW_MS + 30_000 });
    const own = nextState(standing("ACTIVE"), probed("rate_limited", { retryAfterMs: 9_000 }), NOW_MS);
    expect(own).toMatchObject({ state: "RATE_LIMITED", stateUntilMs: NOW_MS + 9_000 });
    expect(nextState(own, probed("valid"), NOW_MS + 1).state).toBe("ACTIVE");
  });

  test("of ever new models is remembered for 32 of them, those that last longest", () => {
    let key = standing("ACTIVE");
    for (let index = 0; index < 1_000; index += 1) key = nextState(key, limit(`m${index}`, 1_000 + index), NOW_MS);
    expect(Object.keys(key.modelLimits ?? {})).toHaveLength(32);
    expect(key.stateUntilMs).toBe(NOW_MS + 1_999);
  });
});

const models = fc.constantFrom("m1", "m2", "", "__proto__");
const reports: fc.Arbitrary<KeyEvent> = fc.oneof(
  fc.record({ kind: fc.constant("reported-rate-limit" as const), model: models, retryAfterMs: fc.nat(10 ** 9) }),
  fc.record({ kind: fc.constant("reported-no-credit" as const), reason: fc.constant("r"), trial: fc.boolean() }),
  fc.record({ kind: fc.constant("reported-success" as const), trial: fc.boolean() }),
  fc.constant<KeyEvent>({ kind: "time" }),
);
const stepsOf = (event: fc.Arbitrary<KeyEvent>) => fc.array(fc.tuple(event, fc.nat(2 * HOUR_MS)), { maxLength: 40 });

test("no sequence of reports alone makes a key dead, blocked or unreadable, nor holds it back for more than an hour", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("ACTIVE", "UNVERIFIED", "RATE_LIMITED", "EXHAUSTED"),
      stepsOf(reports),
      (state, steps) => {
        let key = standing(state);
        let nowMs = NOW_MS;
        for (const [event, waitMs] of steps) {
          nowMs += waitMs;
          key = nextState(key, event, nowMs);
          expect(["DEAD", "BLOCKED", "UNREADABLE"]).not.toContain(key.state);
          expect((key.stateUntilMs ?? 0) - nowMs).toBeLessThanOrEqual(HOUR_MS);
          for (const untilMs of Object.values(key.modelLimits ?? {}))
            expect(untilMs - nowMs).toBeLessThanOrEqual(HOUR_MS);
        }
      },
    ),
  );
});

test("no sequence of reports alone brings a dead, blocked or unreadable key back", () => {
  fc.assert(
    fc.property(fc.constantFrom("DEAD", "BLOCKED", "UNREADABLE"), stepsOf(reports), (state, steps) => {
      let key = standing(state);
      for (const [event, waitMs] of steps) key = nextState(key, event, NOW_MS + waitMs);
      expect(key.state).toBe(state);
    }),
  );
});

test("an accepting probe that sees everything brings back every key, and the same event twice at once changes nothing more", () => {
  const anything = fc.oneof(
    reports,
    fc
      .constantFrom("invalid", "blocked", "valid_no_credit", "rate_limited", "unknown")
      .map((o) => probed(o as ProbeOutcome)),
  );
  fc.assert(
    fc.property(fc.constantFrom(...STATES), stepsOf(anything), (state, steps) => {
      let key = standing(state);
      let nowMs = NOW_MS;
      for (const [event, waitMs] of steps) {
        nowMs += waitMs;
        key = nextState(key, event, nowMs);
        if (event.kind !== "probed" && !("trial" in event && event.trial))
          expect(nextState(key, event, nowMs)).toEqual(key);
      }
      const mended = nextState(key, probed("valid", { tellsCredit: true }), nowMs + 2 * HOUR_MS);
      expect(mended.state).toBe("ACTIVE");
    }),
  );
});

test("probes of a key in trouble come ever more rarely, those of one that serves about daily, and never all at once", () => {
  const waitOf = (state: KeyState, strikes: number, chance: number) =>
    nextProbeMs({ state, strikes }, NOW_MS, () => chance) - NOW_MS;
  expect([0, 1, 2, 20].map((strikes) => waitOf("DEAD", strikes, 0) / MINUTE_MS)).toEqual([5, 10, 20, 1_440]);
  expect([0, 1, 20].map((strikes) => waitOf("UNVERIFIED", strikes, 0) / MINUTE_MS)).toEqual([1, 2, 360]);
  expect(waitOf("ACTIVE", 0, 0)).toBe(24 * HOUR_MS);
  expect(waitOf("ACTIVE", 0, 0.999)).toBeGreaterThan(28 * HOUR_MS);
  const exhausted = standing("EXHAUSTED");
  expect(nextProbeMs(exhausted, NOW_MS, () => 0)).toBe(exhausted.stateUntilMs);
});
