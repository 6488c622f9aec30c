import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PloriError } from "../../src/base/errors.ts";
import type { IdentityBlockStore } from "../../src/router/identity-block-ports.ts";
import type { PlacementStore } from "../../src/router/ports.ts";
import { testMutation, testRequest } from "../support/mutation.ts";

/** Stores under test over the same data. */
export interface OpenedIdentityBlocks {
  readonly blocks: IdentityBlockStore;
  readonly placements: PlacementStore;
  readonly close: () => Promise<void> | void;
}

/** Beyond any clock that a store may be opened with. */
const FAR_MS = 4_000_000_000_000;
const UUID = "0190a3f0-0000-7000-8000-000000000009";
const HOST = "spiffe://td/agent-host/h1";

/** What every store of identity blocks must keep, whatever engine is behind it. `open` gives an empty one. */
export function identityBlockStoreContract(name: string, open: () => Promise<OpenedIdentityBlocks>): void {
  describe(`identity block store: ${name}`, () => {
    let opened: OpenedIdentityBlocks;
    let told: string[];
    beforeEach(async () => {
      opened = await open();
      told = [];
      await opened.blocks.watch((spiffeId, isBlocked) => told.push(`${spiffeId} ${isBlocked}`));
    });
    afterEach(async () => {
      await opened.close();
    });

    const block = (
      spiffeId: string,
      changes: { reason?: string; createMs?: number; host?: string; requestId?: string } = {},
    ) => {
      const { reason = "stolen", createMs = 7, host, requestId } = changes;
      const request = requestId === undefined ? undefined : testRequest("", requestId, { spiffe_id: spiffeId });
      return opened.blocks.block({ spiffeId, reason, createMs }, host, testMutation("", "identity.blocked", request));
    };
    const unblock = (spiffeId: string) => opened.blocks.unblock(spiffeId, testMutation("", "identity.unblocked"));
    const place = (agent: string, host: string, generation = 1n) => {
      const placement = { account: "a1", agent, host, generation, expireMs: FAR_MS };
      return opened.placements.place([placement], 0n, testMutation("", "agents.placed"));
    };
    const endMs = async (agent: string) => (await opened.placements.find("a1", agent))?.expireMs;

    test("blocks are listed from the newest on, page by page", async () => {
      for (const n of [1, 2, 3]) await block(`spiffe://td/settings/s${n}`, { createMs: n, reason: `r${n}` });
      const first = await opened.blocks.list(undefined, 2);
      expect(first).toMatchObject([
        { spiffeId: "spiffe://td/settings/s3", reason: "r3", createMs: 3 },
        { spiffeId: "spiffe://td/settings/s2", reason: "r2", createMs: 2 },
      ]);
      const rest = await opened.blocks.list(first.at(-1)?.seq, 2);
      expect(rest.map(({ spiffeId }) => spiffeId)).toEqual(["spiffe://td/settings/s1"]);
    });

    test("a block of a host ends what is placed there, however warm, and nothing elsewhere", async () => {
      await place("x", "h1");
      await place("y", "h1");
      await place("z", "h2");
      expect(await endMs("x")).toBe(FAR_MS);
      expect(await block(HOST, { host: "h1" })).toEqual({
        block: { spiffeId: HOST, reason: "stolen", createMs: 7 },
        endedPlacementCount: 2,
      });
      expect([await endMs("x"), await endMs("y"), await endMs("z")]).toEqual([0, 0, FAR_MS]);
    });

    test("the generation of a placement that ended with its host is remembered", async () => {
      await place("x", "h1", 5n);
      await block(HOST, { host: "h1" });
      await expect(place("x", "h2", 5n)).rejects.toMatchObject({ reason: "STALE_GENERATION" });
      await place("x", "h2", 6n);
    });

    test("an identity that is no host's ends no placement", async () => {
      await place("x", "h1");
      expect(await block("spiffe://td/settings/h1")).toMatchObject({ endedPlacementCount: 0 });
      expect(await endMs("x")).toBe(FAR_MS);
    });

    test("one that is blocked already keeps its time, takes the new reason, and loses what was placed since", async () => {
      await block(HOST, { host: "h1" });
      await place("x", "h1");
      expect(await block(HOST, { host: "h1", reason: "still stolen", createMs: 9 })).toEqual({
        block: { spiffeId: HOST, reason: "still stolen", createMs: 7 },
        endedPlacementCount: 1,
      });
      expect(await opened.blocks.list(undefined, 10)).toHaveLength(1);
    });

    test("an unblocked identity is gone from the list, its placements stay ended, and it can be blocked again", async () => {
      await place("x", "h1");
      await block(HOST, { host: "h1" });
      expect(await unblock(HOST)).toEqual({ spiffeId: HOST, reason: "stolen", createMs: 7 });
      expect(await opened.blocks.list(undefined, 10)).toEqual([]);
      expect(await endMs("x")).toBe(0);
      await block(HOST, { createMs: 11 });
      expect(await opened.blocks.list(undefined, 10)).toMatchObject([{ createMs: 11 }]);
    });

    test("one that is not blocked cannot be unblocked", async () => {
      const error = await unblock(HOST).catch((thrown: unknown) => thrown);
      expect(error instanceof PloriError && error.reason).toBe("IDENTITY_BLOCK_NOT_FOUND");
    });

    test("every change is told before its answer; a request id that is repeated after an unblock blocks nobody", async () => {
      await block(HOST, { host: "h1", requestId: UUID });
      expect(told).toEqual([`${HOST} true`]);
      await unblock(HOST);
      expect(told).toEqual([`${HOST} true`, `${HOST} false`]);
      expect(await block(HOST, { host: "h1", requestId: UUID })).toMatchObject({ block: { spiffeId: HOST } });
      expect(told).toHaveLength(2);
      expect(await opened.blocks.list(undefined, 10)).toEqual([]);
    });
  });
}
