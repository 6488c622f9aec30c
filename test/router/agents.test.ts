import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError } from "../../src/base/errors.ts";
import type { Caller } from "../../src/identity/roles.ts";
import { placeAgents, type WantedPlacement } from "../../src/router/place-agents.ts";
import { removeAgents } from "../../src/router/remove-agents.ts";
import { createMemoryPlacementStore } from "../support/memory-placement-store.ts";

const NOW_MS = 1_790_000_000_000;
const DAY_MS = 86_400_000;
const SCHEDULER: Caller = { spiffeId: "spiffe://dev.plori.internal/scheduler/dev", role: "scheduler", name: "dev" };

function openScheduler() {
  const memory = createMemoryPlacementStore();
  const clock = manualClock(NOW_MS);
  const deps = { placements: memory.store, clock, overdraftLimitNano: 5n };
  return {
    ...memory,
    clock,
    place: (placements: readonly WantedPlacement[], requestId = "") =>
      placeAgents(deps, { placements, requestId, actor: "operator-1" }, SCHEDULER),
    remove: (agents: readonly { account: string; agent: string; generation: bigint }[], requestId = "") =>
      removeAgents(deps, { agents, requestId, actor: "operator-1" }, SCHEDULER),
  };
}

function wanted(changes: Partial<WantedPlacement> = {}): WantedPlacement {
  return { account: "acct-1", agent: "agent-1", host: "host-1", generation: 1n, expireMs: NOW_MS + DAY_MS, ...changes };
}

async function violations(attempt: Promise<unknown>): Promise<readonly string[]> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PloriError)) throw new Error("expected a refusal");
  expect(error.reason).toBe("FIELDS_INVALID");
  return (error.refusal.violations ?? []).map(({ field }) => field);
}

test("placements are stored in the order of the request, and the whole list is on record", async () => {
  const scheduler = openScheduler();
  const placements = [wanted(), wanted({ agent: "agent-2", host: "host-2", generation: 7n })];
  expect(await scheduler.place(placements)).toEqual(placements);
  expect(scheduler.audit).toEqual([
    {
      kind: "agents.placed",
      timeMs: NOW_MS,
      caller: SCHEDULER.spiffeId,
      actor: "operator-1",
      account: "acct-1",
      subject: "placements",
      details: {
        count: "2",
        placements: `acct-1/agent-1@host-1#1<${NOW_MS + DAY_MS} acct-1/agent-2@host-2#7<${NOW_MS + DAY_MS}`,
      },
    },
  ]);
});

test("a record of several accounts names none of them as its own", async () => {
  const scheduler = openScheduler();
  await scheduler.place([wanted(), wanted({ account: "acct-2" })]);
  expect(scheduler.audit[0]?.account).toBe("");
});

test("every wrong field of every placement is named, and nothing is placed", async () => {
  const scheduler = openScheduler();
  const fields = await violations(
    scheduler.place([
      wanted(),
      wanted(),
      wanted({ agent: "a b", host: "", generation: 0n, expireMs: undefined }),
      wanted({ agent: "agent-3", expireMs: NOW_MS }),
      wanted({ agent: "agent-4", expireMs: NOW_MS + DAY_MS + 1 }),
      wanted({ agent: "agent-5", account: "platform" }),
    ]),
  );
  expect([...fields].sort()).toEqual([
    "placements[1].agent",
    "placements[2].agent",
    "placements[2].expire_time",
    "placements[2].generation",
    "placements[2].host",
    "placements[3].expire_time",
    "placements[4].expire_time",
    "placements[5].account",
  ]);
  expect(await scheduler.store.find("acct-1", "agent-1")).toBeUndefined();
  expect(scheduler.audit).toEqual([]);
});

test("none, and more than 500, are refused; 500 are placed", async () => {
  const scheduler = openScheduler();
  const many = Array.from({ length: 501 }, (_none, index) => wanted({ agent: `agent-${index}` }));
  expect(await violations(scheduler.place([]))).toEqual(["placements"]);
  expect(await violations(scheduler.place(many))).toEqual(["placements"]);
  expect(await scheduler.place(many.slice(0, 500))).toHaveLength(500);
  expect(await violations(scheduler.remove([]))).toEqual(["agents"]);
  const refs = many.map(({ account, agent }) => ({ account, agent, generation: 0n }));
  expect(await violations(scheduler.remove(refs))).toEqual(["agents"]);
  expect(await scheduler.remove(refs.slice(0, 500))).toEqual({ removedCount: 500 });
});

test("a removal names its wrong fields, ends placements, and is on record", async () => {
  const scheduler = openScheduler();
  await scheduler.place([wanted()]);
  const agent = { account: "acct-1", agent: "agent-1", generation: 1n };
  expect(await violations(scheduler.remove([{ ...agent, generation: -1n }, agent]))).toEqual([
    "agents[1].agent",
    "agents[0].generation",
  ]);
  expect(await scheduler.remove([agent, { ...agent, agent: "agent-9" }])).toEqual({ removedCount: 1 });
  expect(scheduler.audit.at(-1)).toMatchObject({
    kind: "agents.removed",
    details: { count: "2", agents: "acct-1/agent-1#1 acct-1/agent-9#1" },
  });
});

test("a repeated request gives the first answer; the same id with another list is refused", async () => {
  const scheduler = openScheduler();
  const requestId = "0190a3f0-0000-7000-8000-000000000001";
  await scheduler.place([wanted()], requestId);
  await scheduler.place([wanted({ host: "host-2", generation: 2n })]);
  expect(await scheduler.place([wanted()], requestId)).toEqual([wanted()]);
  expect(await scheduler.store.find("acct-1", "agent-1")).toMatchObject({ host: "host-2" });
  await expect(scheduler.place([wanted({ generation: 3n })], requestId)).rejects.toMatchObject({
    reason: "REQUEST_ID_CONFLICT",
  });
});

test("a request that is repeated after its placements ended still gets its first answer; a new one like it is refused", async () => {
  const scheduler = openScheduler();
  const id = "01890a5d-ac96-4774-bcce-b302099a8057";
  const first = await scheduler.place([wanted()], id);
  scheduler.clock.advance(2 * DAY_MS);
  expect(await scheduler.place([wanted()], id)).toEqual(first);
  expect(await violations(scheduler.place([wanted()]))).toEqual(["placements[0].expire_time"]);
});

test("accounts past the overdraft limit are refused by name, as many as an error has room for, and nothing is placed", async () => {
  const scheduler = openScheduler();
  await scheduler.owe("acct-1", 5n);
  expect(await scheduler.place([wanted()])).toHaveLength(1);
  const accounts = Array.from({ length: 400 }, (_, index) => `${"a".repeat(100)}-${index}`);
  for (const account of accounts) await scheduler.owe(account, 6n);
  const placements = [wanted({ agent: "agent-9" }), ...accounts.map((account) => wanted({ account }))];
  const refusal = await scheduler.place(placements).catch((error: unknown) => (error as PloriError).refusal);
  expect(refusal).toMatchObject({ reason: "CREDITS_EXHAUSTED", metadata: { account_count: "400" } });
  const { accounts: named = "" } = (refusal as PloriError["refusal"]).metadata ?? {};
  expect(named.length).toBeLessThanOrEqual(2_500);
  expect(accounts.slice(0, 20)).toEqual(named.split(",").slice(0, 20));
  expect(await scheduler.store.find("acct-1", "agent-9")).toBeUndefined();
});
