import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PloriError } from "../../src/base/errors.ts";
import type { AgentName, Placement, PlacementFilter, PlacementStore } from "../../src/router/ports.ts";
import { testMutation, testRequest } from "../support/mutation.ts";

/** Beyond any clock that a store may be opened with. */
const FAR_MS = 4_000_000_000_000;
const UUID = "0190a3f0-0000-7000-8000-000000000002";

/** What every store of placements must keep, whatever engine is behind it. `open` gives an empty one. */
export function placementStoreContract(
  name: string,
  open: () => Promise<{
    readonly store: PlacementStore;
    /** Puts the account, which owes nothing yet, into debt. */
    readonly owe: (account: string, nano: bigint) => Promise<void>;
    readonly close: () => Promise<void> | void;
  }>,
): void {
  describe(`placement store: ${name}`, () => {
    let store: PlacementStore;
    let owe: (account: string, nano: bigint) => Promise<void>;
    let close: () => Promise<void> | void;

    beforeEach(async () => {
      ({ store, owe, close } = await open());
    });
    afterEach(async () => {
      await close();
    });

    const place = (...placements: Placement[]) => store.place(placements, 0n, testMutation("", "agents.placed"));
    const remove = (generation: bigint, ...agents: string[]) =>
      store.remove(
        agents.map((agent) => ({ account: "acct-1", agent, generation })),
        testMutation("", "agents.removed"),
      );

    /** When the agent's placement ends; 0 when it has none. */
    const endMs = async (agent: string) => (await store.find("acct-1", agent))?.expireMs ?? 0;

    test("a placement comes back as it was stored, up to the largest generation", async () => {
      const wanted = [placement({}), placement({ agent: "agent-2", generation: 2n ** 63n - 1n })];
      expect(await place(...wanted)).toEqual(wanted);
      expect(await store.find("acct-1", "agent-1")).toEqual(wanted[0]);
      expect(await store.find("acct-1", "agent-2")).toEqual(wanted[1]);
    });

    test("an agent that is not placed is not found, and ids are told apart to the letter", async () => {
      expect(await store.find("acct-1", "agent-1")).toBeUndefined();
      await place(placement({}));
      expect(await store.find("acct-1", "AGENT-1")).toBeUndefined();
      expect(await store.find("acct-2", "agent-1")).toBeUndefined();
      expect(await store.find("acct-1", "agent-2")).toBeUndefined();
    });

    test("an expired placement is still given: who asks compares the times", async () => {
      await place(placement({ expireMs: 1 }));
      expect(await store.find("acct-1", "agent-1")).toMatchObject({ expireMs: 1 });
    });

    test("while an account owes more than the limit nothing of a batch is placed or renewed, and every such account is named", async () => {
      const batch = ["acct-1", "acct-2", "acct-1", "acct-3"].map((account, index) =>
        placement({ account, agent: `agent-${index}` }),
      );
      const place = (limit: bigint, list: readonly Placement[] = batch) =>
        store.place(list, limit, testMutation("", "agents.placed"));
      await owe("acct-1", 5n);
      expect(await place(5n)).toEqual(batch);
      const refused = await expectReason(place(4n), "CREDITS_EXHAUSTED");
      expect(refused.refusal.metadata).toEqual({
        accounts: "acct-1",
        account_count: "1",
        overdraft_limit: "0.000000004",
      });
      await owe("acct-3", 6n);
      const both = await expectReason(place(4n), "CREDITS_EXHAUSTED");
      expect(both.refusal.metadata).toMatchObject({ accounts: "acct-1,acct-3" });
      expect(await place(4n, batch.slice(1, 2))).toHaveLength(1);
    });

    test("a repeated order gets its first answer, whatever the account owes by now", async () => {
      const request = testRequest("", UUID, { placements: "x" });
      const first = await store.place([placement({})], 0n, testMutation("", "agents.placed", request));
      await owe("acct-1", 1n);
      expect(await store.place([placement({})], 0n, testMutation("", "agents.placed", request))).toEqual(first);
    });

    test("a higher generation moves the agent, the same one from the same host renews", async () => {
      await place(placement({}));
      await place(placement({ expireMs: 9 }));
      expect(await store.find("acct-1", "agent-1")).toMatchObject({ host: "host-1", expireMs: 9 });
      await place(placement({ host: "host-2", generation: 2n }));
      expect(await store.find("acct-1", "agent-1")).toMatchObject({ host: "host-2", generation: 2n });
    });

    test("an older generation, and the same one from another host, are refused", async () => {
      await place(placement({ generation: 5n }));
      for (const stale of [placement({ generation: 4n }), placement({ generation: 5n, host: "host-2" })]) {
        const error = await expectReason(place(stale), "STALE_GENERATION");
        expect(error.refusal.metadata).toMatchObject({ account: "acct-1", agent: "agent-1", stale_count: "1" });
      }
      expect(await store.find("acct-1", "agent-1")).toEqual(placement({ generation: 5n }));
    });

    test("one stale placement keeps all of them from being stored", async () => {
      await place(placement({ generation: 5n }), placement({ agent: "agent-2", generation: 5n }));
      const error = await expectReason(
        place(
          placement({ agent: "agent-3" }),
          placement({ generation: 4n }),
          placement({ agent: "agent-2", generation: 4n }),
        ),
        "STALE_GENERATION",
      );
      expect(error.refusal.metadata).toMatchObject({ agent: "agent-1", stale_count: "2" });
      expect(await store.find("acct-1", "agent-3")).toBeUndefined();
    });

    test("a removal ends placements that are not newer than asked for, and counts them", async () => {
      await place(placement({}), placement({ agent: "agent-2", generation: 7n }), placement({ agent: "agent-3" }));
      expect(await remove(6n, "agent-1", "agent-2", "agent-9")).toEqual({ removedCount: 1 });
      expect(await endMs("agent-1")).toBe(0);
      expect(await endMs("agent-2")).toBe(FAR_MS);
      expect(await remove(0n, "agent-2", "agent-3")).toEqual({ removedCount: 2 });
      expect(await endMs("agent-2")).toBe(0);
      expect(await remove(0n, "agent-2", "agent-3")).toEqual({ removedCount: 0 });
    });

    test("after a removal an older generation is still refused, and the same one from the same host places again", async () => {
      await place(placement({ generation: 5n }));
      await remove(0n, "agent-1");
      await expectReason(place(placement({ generation: 4n })), "STALE_GENERATION");
      await expectReason(place(placement({ generation: 5n, host: "host-2" })), "STALE_GENERATION");
      await place(placement({ generation: 5n }));
      expect(await endMs("agent-1")).toBe(FAR_MS);
    });

    describe("a list", () => {
      const listed = async (filter: PlacementFilter, limit = 100) => {
        const found: Placement[] = [];
        let after: AgentName | undefined;
        do {
          const part = await store.list(filter, limit, after);
          expect(part.placements.length).toBeLessThanOrEqual(limit);
          found.push(...part.placements);
          after = part.next;
        } while (after !== undefined);
        return found.map(({ account, agent, host }) => `${account}/${agent}@${host}`);
      };

      beforeEach(async () => {
        await place(
          placement({ account: "b", agent: "x" }),
          placement({ account: "a", agent: "y", host: "host-2" }),
          placement({ account: "a", agent: "x" }),
          placement({ account: "a", agent: "z", expireMs: 5 }),
          placement({ account: "B", agent: "x", host: "host-2" }),
        );
      });

      test.each<[string, PlacementFilter, string]>([
        [
          "everything, ordered by account and agent, to the letter",
          {},
          "B/x@host-2 a/x@host-1 a/y@host-2 a/z@host-1 b/x@host-1",
        ],
        ["what ends later than a moment", { endsAfterMs: 5 }, "B/x@host-2 a/x@host-1 a/y@host-2 b/x@host-1"],
        ["one account's", { account: "a" }, "a/x@host-1 a/y@host-2 a/z@host-1"],
        ["one host's", { host: "host-1" }, "a/x@host-1 a/z@host-1 b/x@host-1"],
        ["one host's that have not ended", { host: "host-1", endsAfterMs: 5 }, "a/x@host-1 b/x@host-1"],
        ["one agent name's", { agent: "x" }, "B/x@host-2 a/x@host-1 b/x@host-1"],
        ["one account's on one host", { account: "a", host: "host-1" }, "a/x@host-1 a/z@host-1"],
        ["one agent name's on one host", { agent: "x", host: "host-1" }, "a/x@host-1 b/x@host-1"],
        ["one agent's", { account: "a", agent: "y" }, "a/y@host-2"],
        ["one agent's on a host where it is not", { account: "a", agent: "y", host: "host-1" }, ""],
        ["what is not there", { account: "nobody" }, ""],
      ])("gives %s, in parts of any size", async (_what, filter, expected) => {
        for (const limit of [1, 2, 3, 100]) expect((await listed(filter, limit)).join(" ")).toBe(expected);
      });

      test("has the placements whole, as they are at that moment", async () => {
        const [first] = (await store.list({ account: "b" }, 1, undefined)).placements;
        expect(first).toEqual(placement({ account: "b", agent: "x" }));
        await place(placement({ account: "b", agent: "x", host: "host-9", generation: 2n ** 63n - 1n }));
        expect(await listed({ host: "host-9" })).toEqual(["b/x@host-9"]);
        await store.remove([{ account: "b", agent: "x", generation: 0n }], testMutation("", "agents.removed"));
        expect(await listed({ host: "host-9", endsAfterMs: 1 })).toEqual([]);
      });
    });

    test("a repeated request id gives the first answer and changes nothing", async () => {
      const request = testRequest("", UUID, { placements: "h1" });
      const first = await store.place([placement({})], 0n, testMutation("", "agents.placed", request));
      await place(placement({ host: "host-2", generation: 2n }));
      expect(await store.place([placement({})], 0n, testMutation("", "agents.placed", request))).toEqual(first);
      expect(await store.find("acct-1", "agent-1")).toMatchObject({ host: "host-2" });
      const removal = testRequest("", UUID.replace("2", "3"), { agents: "h1" });
      const mutation = testMutation("", "agents.removed", removal);
      const refs = [{ account: "acct-1", agent: "agent-1", generation: 0n }];
      expect(await store.remove(refs, mutation)).toEqual({ removedCount: 1 });
      expect(await store.remove(refs, mutation)).toEqual({ removedCount: 1 });
    });

    test("a request id with another payload is refused and changes nothing", async () => {
      const request = testRequest("", UUID, { placements: "h1" });
      await store.place([placement({})], 0n, testMutation("", "agents.placed", request));
      const other = testMutation("", "agents.placed", { ...request, fieldHashes: { placements: "h2" } });
      const attempt = store.place([placement({ host: "host-2", generation: 2n })], 0n, other);
      const error = await expectReason(attempt, "REQUEST_ID_CONFLICT");
      expect(error.refusal.metadata?.["differing_fields"]).toBe("placements");
      expect(await store.find("acct-1", "agent-1")).toMatchObject({ host: "host-1" });
    });
  });
}

function placement(changes: Partial<Placement>): Placement {
  return {
    account: "acct-1",
    agent: "agent-1",
    host: "host-1",
    generation: 1n,
    expireMs: FAR_MS,
    ...changes,
  };
}

async function expectReason(attempt: Promise<unknown>, reason: string): Promise<PloriError> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PloriError)) throw new Error(`expected ${reason}`);
  expect(error.reason).toBe(reason);
  return error;
}
