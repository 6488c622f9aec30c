import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError } from "../../src/base/errors.ts";
import { createIdMinter } from "../../src/base/ids.ts";
import { Secret } from "../../src/base/secret.ts";
import { refusalToStatus } from "../../src/doors/status.ts";
import { ROLES, type Role } from "../../src/identity/roles.ts";
import { authorise } from "../../src/identity/rpc-table.ts";
import { CATALOGUE } from "../../src/router/catalogue.ts";
import { DEFAULT_POLICY } from "../../src/router/decision.ts";
import { createKeyWatch } from "../../src/router/key-watch.ts";
import type { Placement } from "../../src/router/ports.ts";
import { type ResolveRouteDeps, resolveRoute } from "../../src/router/resolve-route.ts";
import { createMemoryPlacementStore } from "../support/memory-placement-store.ts";
import { testMutation } from "../support/mutation.ts";
import { NO_MODEL_LISTS } from "../support/no-model-lists.ts";

const NOW_MS = 1_790_000_000_000;
const HOSTS = ["host-1", "host-2", "host-3"] as const;
const ACCOUNTS = ["acct-1", "acct-2", "no-such-account"] as const;
const AGENTS = ["agent-1", "agent-2", "no-such-agent"] as const;
const RESOLVE = "plori.router.v1.RouterService/ResolveRoute";

interface Step {
  readonly kind: "place" | "remove" | "wait";
  readonly account: string;
  readonly agent: string;
  readonly host: string;
  readonly generation: bigint;
  readonly forMs: number;
}

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom("place" as const, "place" as const, "remove" as const, "wait" as const),
    account: fc.constantFrom("acct-1", "acct-2"),
    agent: fc.constantFrom("agent-1", "agent-2"),
    host: fc.constantFrom(...HOSTS),
    generation: fc.bigInt({ min: 1n, max: 4n }),
    forMs: fc.integer({ min: 1, max: 5_000 }),
  }),
  { maxLength: 25 },
);

/** Plays a history. Returns a router over what it left, and where each agent is, written down apart from the store. */
async function play(history: readonly Step[]) {
  const { store } = createMemoryPlacementStore();
  const clock = manualClock(NOW_MS);
  const where = new Map<string, Placement>();
  for (const { kind, account, agent, host, generation, forMs } of history) {
    const key = `${account}/${agent}`;
    const before = where.get(key);
    if (kind === "wait") clock.advance(forMs);
    else if (kind === "remove") {
      await store.remove([{ account, agent, generation }], testMutation("", "agents.removed"));
      if (before !== undefined && before.generation <= generation) where.set(key, { ...before, expireMs: 0 });
    } else {
      const placement = { account, agent, host, generation, expireMs: clock.nowMs() + forMs };
      const isNewer = before === undefined || generation > before.generation;
      const renews = before?.generation === generation && before.host === host;
      const placed = await store.place([placement], 0n, testMutation("", "agents.placed")).then(
        () => true,
        () => false,
      );
      expect(placed).toBe(isNewer || renews);
      if (placed) where.set(key, placement);
    }
  }
  let looked = 0;
  const sealed = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) };
  const deps: ResolveRouteDeps = {
    placements: store,
    keys: {
      async keysOf(account) {
        looked += 1;
        return [{ account, keyId: "openai", provider: "openai", version: 1, state: "ACTIVE", sealed }];
      },
    },
    modelLists: NO_MODEL_LISTS,
    policyDirectory: {
      warmPolicyOf() {
        looked += 1;
        return DEFAULT_POLICY;
      },
      policyOf: async () => DEFAULT_POLICY,
    },
    resolveLimits: {
      takeHost() {},
      takeAccount() {
        looked += 1;
      },
    },
    opener: { openWarm: () => Secret.fromText("x"), open: async () => Secret.fromText("x") },
    releaseLog: { release: async () => ({ priceVersion: 1 }), denied() {} },
    revocationNews: { mark: () => 0 },
    endpointOf: () => ({ baseUrl: "https://x.test", credentialHeader: "a", credentialPrefix: "", headers: {} }),
    catalogue: CATALOGUE,
    keyWatch: createKeyWatch(),
    clock,
    mintId: createIdMinter(clock),
  };
  return { deps, where, clock, looked: () => looked };
}

/** What a caller sees of a refusal, as the doors would send it. */
function wire(error: unknown): string {
  if (!(error instanceof PloriError)) throw error;
  const { code, message, details } = refusalToStatus(error.refusal);
  return JSON.stringify([
    code,
    message,
    details.map(({ typeUrl, value }) => [typeUrl, Buffer.from(value).toString("hex")]),
  ]);
}

async function outcomeOf(
  deps: ResolveRouteDeps,
  role: Role,
  host: string,
  account: string,
  agent: string,
): Promise<string> {
  const caller = { spiffeId: `spiffe://dev.plori.internal/${role}/${host}`, role, name: host };
  const input = {
    account,
    agent,
    model: "openai/gpt-5.5",
    callId: "c",
    estimate: { inputTokens: 0n, maxOutputTokens: 0n },
  };
  try {
    await resolveRoute(deps, input, caller);
    return "served";
  } catch (error) {
    return wire(error);
  }
}

test("whatever was placed, moved, removed or ran out: an agent is served on its host alone, for an agent host alone, and every denial is the same to the byte", async () => {
  const denials = new Set<string>();
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const { deps, where, clock, looked } = await play(history);
      for (const role of ROLES)
        for (const host of HOSTS)
          for (const account of ACCOUNTS)
            for (const agent of AGENTS) {
              const placement = where.get(`${account}/${agent}`);
              const isPlaced = placement !== undefined && placement.host === host && placement.expireMs > clock.nowMs();
              const lookedBefore = looked();
              const outcome = await outcomeOf(deps, role, host, account, agent);
              if (role === "agent-host" && isPlaced) {
                expect(outcome).toBe("served");
              } else {
                denials.add(outcome);
                // Nothing that could tell what exists was asked.
                expect(looked()).toBe(lookedBefore);
              }
            }
    }),
    { numRuns: 60 },
  );
  expect(denials.size).toBe(1);
  expect([...denials][0]).toContain("No such agent runs on the calling host.");
});

test("by the table no role but agent-host gets as far as a placement, and its denial does not depend on what was asked", () => {
  for (const role of ROLES) {
    const call = () => authorise({ spiffeId: `spiffe://dev.plori.internal/${role}/x`, role }, RESOLVE);
    if (role === "agent-host") expect(call).not.toThrow();
    else expect(call).toThrow(expect.objectContaining({ reason: "ROLE_NOT_ALLOWED" }));
  }
});
