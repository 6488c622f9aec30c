import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type House, openHouse } from "./house.ts";
import { type Refused, refused } from "./refusal.ts";

const MODEL = "openai/gpt-5.5";
const PER_HOST = 20;
const FLOOD = 400;

let house: House;
beforeAll(async () => {
  house = await openHouse({
    PLORI_RESOLVES_PER_SECOND_PER_HOST: String(PER_HOST),
    PLORI_RESOLVES_PER_SECOND_PER_ACCOUNT: "1000",
  });
  for (const [account, host] of [
    ["flooded", "agent-host-1"],
    ["calm", "agent-host-2"],
  ] as const) {
    await house.connectOwn(account, "openai");
    await house.place(account, "agent", host);
  }
});
afterAll(() => house.close());

/** Sends so many calls at once. Returns how many were answered, and the refusals. */
async function flood(count: number, call: (index: number) => Promise<unknown>) {
  const refusals: Refused[] = [];
  const outcomes = await Promise.all(
    Array.from({ length: count }, async (_none, index) => {
      const attempt = call(index);
      const isServed = await attempt.then(
        () => true,
        () => false,
      );
      if (!isServed) refusals.push(await refused(attempt));
      return isServed;
    }),
  );
  return { served: outcomes.filter(Boolean).length, refusals };
}

describe("one host that floods", () => {
  test("is refused with the time until it may again, and every call of another host is served meanwhile", async () => {
    const [flooding, calm] = await Promise.all([
      flood(FLOOD, (index) => house.resolve({ account: "flooded", model: MODEL, callId: `f-${index}` })),
      flood(PER_HOST, (index) =>
        house.resolve({ account: "calm", model: MODEL, callId: `c-${index}`, host: "agent-host-2" }),
      ),
    ]);
    expect(calm.refusals).toEqual([]);
    expect(calm.served).toBe(PER_HOST);
    expect(flooding.served).toBeGreaterThanOrEqual(2 * PER_HOST);
    expect(flooding.served).toBeLessThan(FLOOD);
    for (const refusal of flooding.refusals) {
      expect(refusal).toMatchObject({
        code: "ResourceExhausted",
        reason: "RATE_LIMITED",
        domain: "plori.internal",
        metadata: { scope: "host" },
      });
      expect(refusal.retryMs).toBeGreaterThan(0);
    }
  });

  test("gets nothing from denied, malformed or unknown calls but fewer calls", async () => {
    const wrong = [
      { account: "flooded", callId: "x" },
      { account: "nobody", callId: "x" },
      { account: "not an id", callId: "x" },
    ] as const;
    const { served, refusals } = await flood(FLOOD, (index) =>
      house.resolve({ ...(wrong[index % wrong.length] ?? wrong[0]), model: MODEL, host: "agent-host-2" }),
    );
    expect(served).toBe(0);
    const reasons = new Set(refusals.map(({ reason }) => reason));
    expect(reasons).toEqual(new Set(["AGENT_NOT_PLACED", "FIELDS_INVALID", "RATE_LIMITED"]));
    // Which account was meant cannot be told from how it was refused.
    const limited = refusals.filter(({ reason }) => reason === "RATE_LIMITED");
    expect(new Set(limited.map(({ metadata }) => metadata["scope"]))).toEqual(new Set(["host"]));
  });

  test("is slowed in its reports and records as well; recorders are not", async () => {
    const { router, ledger } = house.as("agent-host-1");
    const reports = await flood(FLOOD, (index) => router.reportOutcome({ route: "none", callId: `r-${index}` }));
    expect(new Set(reports.refusals.map(({ reason }) => reason))).toContain("RATE_LIMITED");
    const records = await flood(FLOOD, () => ledger.recordUsage({}));
    expect(new Set(records.refusals.map(({ reason }) => reason))).toContain("RATE_LIMITED");
    const recorded = await flood(FLOOD, () => house.as("recorder").ledger.recordUsage({}));
    expect(new Set(recorded.refusals.map(({ reason }) => reason))).toEqual(new Set(["FIELDS_INVALID"]));
  });
});

describe("one account that is flooded from one of its hosts", () => {
  let shared: House;
  beforeAll(async () => {
    shared = await openHouse({ PLORI_RESOLVES_PER_SECOND_PER_ACCOUNT: "30" });
    await shared.connectOwn("both", "openai");
    await shared.place("both", "agent-1", "agent-host-1");
    await shared.place("both", "agent-2", "agent-host-2");
    await shared.connectOwn("other", "openai");
    await shared.place("other", "agent-1", "agent-host-1");
  });
  afterAll(() => shared.close());

  test("still serves its other hosts, and the same host's other accounts; who has nothing to do with it learns nothing", async () => {
    const resolve = (account: string, agent: string, callId: string, host: "agent-host-1" | "agent-host-2") =>
      shared.resolve({ account, agent, model: MODEL, callId, host });
    const flooding = await flood(FLOOD, (i) => resolve("both", "agent-1", `f-${i}`, "agent-host-1"));
    expect(flooding.served).toBeLessThan(FLOOD);
    for (const { reason, metadata } of flooding.refusals)
      expect([reason, metadata["scope"]]).toEqual(["RATE_LIMITED", "account"]);
    // A tenth of the rate is each host's own: twice three at once.
    const others = await flood(6, (i) => resolve("both", "agent-2", `o-${i}`, "agent-host-2"));
    expect(others.refusals).toEqual([]);
    expect((await flood(10, (i) => resolve("other", "agent-1", `a-${i}`, "agent-host-1"))).served).toBe(10);
    const stranger = await refused(resolve("both", "agent-1", "s-1", "agent-host-2"));
    const unknown = await refused(resolve("nobody", "agent-1", "s-1", "agent-host-2"));
    expect(stranger).toEqual(unknown);
  });
});
