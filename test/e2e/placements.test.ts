import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CallerName } from "../support/service-process.ts";
import { CALLERS, DOORS, type House, openHouse } from "./house.ts";
import { refused } from "./refusal.ts";

const MODEL = "openai/gpt-5.5";
const HOUR_MS = 3_600_000;
const CALLER_NAMES = Object.keys(CALLERS) as CallerName[];

let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.connectOwn("known", "openai");
  const place = (agent: string, host: string, generation: bigint, expireMs = Date.now() + HOUR_MS) => ({
    account: "known",
    agent,
    host,
    generation,
    expireTime: timestampFromMs(expireMs),
  });
  const { router } = house.as("scheduler");
  await router.placeAgents({
    placements: [
      place("here", "agent-host-1", 1n),
      place("elsewhere", "agent-host-2", 1n),
      place("moved", "agent-host-1", 1n),
      place("removed", "agent-host-1", 1n),
      place("expired", "agent-host-1", 1n, Date.now() + 500),
    ],
  });
  await router.placeAgents({ placements: [place("moved", "agent-host-2", 2n)] });
  await router.removeAgents({ agents: [{ account: "known", agent: "removed" }] });
  let left = await names({});
  while (left.includes("known/expired")) left = await names({});
});
afterAll(() => house.close());

async function names(
  request: Parameters<ReturnType<House["as"]>["router"]["listPlacements"]>[0],
  caller: CallerName = "scheduler",
) {
  const { placements } = await house.as(caller).router.listPlacements(request);
  return placements.map(({ account, agent }) => `${account}/${agent}`);
}

/** Where each agent runs. */
const RUNS_ON: Readonly<Record<string, CallerName>> = {
  "known/here": "agent-host-1",
  "known/elsewhere": "agent-host-2",
  "known/moved": "agent-host-2",
};

describe.each(DOORS)("by the %s door", (door) => {
  test("each caller, account and agent: served on the agent's own host alone, and every denial is the same to the byte", async () => {
    const denials = new Set<string>();
    for (const caller of CALLER_NAMES)
      for (const account of ["known", "unknown"])
        for (const agent of ["here", "elsewhere", "moved", "removed", "expired", "unknown"]) {
          const wanted = { account, agent, model: MODEL, callId: `${caller}-${door}-${agent}`, host: caller, door };
          if (RUNS_ON[`${account}/${agent}`] === caller) {
            expect((await house.resolve(wanted)).credential.length).toBeGreaterThan(0);
            continue;
          }
          const refusal = await refused(house.resolve(wanted));
          expect(refusal.code).toBe("PermissionDenied");
          if (CALLERS[caller] === "agent-host") denials.add(JSON.stringify(refusal));
          else expect(refusal.reason).toBe("ROLE_NOT_ALLOWED");
        }
    expect(denials.size).toBe(1);
    expect([...denials][0]).toContain("AGENT_NOT_PLACED");
  });

  test("placements are listed by account, host and agent, in pages, to whoever may", async () => {
    const { router } = house.as("auditor", door);
    const { placements, nextPageToken } = await router.listPlacements({ account: "known", pageSize: 2 });
    expect(placements.map(({ agent, host, generation }) => [agent, host, generation])).toEqual([
      ["elsewhere", "agent-host-2", 1n],
      ["here", "agent-host-1", 1n],
    ]);
    const rest = await router.listPlacements({ account: "known", pageSize: 2, pageToken: nextPageToken });
    expect(rest.placements.map(({ agent }) => agent)).toEqual(["moved"]);
    expect(rest.nextPageToken).toBe("");
    expect(rest.placements[0]?.expireTime).toBeDefined();
  });
});

test("what has ended is listed only when it is asked for", async () => {
  expect(await names({ account: "known", showExpired: true })).toEqual([
    "known/elsewhere",
    "known/expired",
    "known/here",
    "known/moved",
    "known/removed",
  ]);
  expect(await names({ host: "agent-host-2" }, "admin")).toEqual(["known/elsewhere", "known/moved"]);
  expect(await names({ agent: "here" }, "admin")).toEqual(["known/here"]);
  expect(await names({ host: "agent-host-1", agent: "moved" })).toEqual([]);
  expect(await names({ account: "unknown" })).toEqual([]);
});

test("thousands of ended placements in a row cost a page no more than a few thousand looks, and nothing is missed", async () => {
  const { router } = house.as("scheduler");
  const at = (index: number) => `agent-${String(index).padStart(5, "0")}`;
  for (let from = 0; from < 6_000; from += 500) {
    const agents = Array.from({ length: 500 }, (_none, index) => ({ account: "many", agent: at(from + index) }));
    const expireTime = timestampFromMs(Date.now() + HOUR_MS);
    await router.placeAgents({
      placements: agents.map((agent) => ({ ...agent, host: "agent-host-1", generation: 1n, expireTime })),
    });
    const ended = agents.filter(({ agent }) => agent !== at(5_999));
    await router.removeAgents({ agents: ended });
  }
  const first = await router.listPlacements({ account: "many" });
  expect(first.placements).toEqual([]);
  const second = await router.listPlacements({ account: "many", pageToken: first.nextPageToken });
  expect(second.placements.map(({ agent }) => agent)).toEqual([at(5_999)]);
  expect(second.nextPageToken).toBe("");
});
