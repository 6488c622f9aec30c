import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ManualClock } from "../../src/base/clock.ts";
import { LIMITS } from "../../src/base/limits.ts";
import type { KeyStanding, KeyState, KeyStore, NewKey } from "../../src/keyvault/ports.ts";
import type { VaultStore } from "../../src/keyvault/vault-ports.ts";
import type { IdentityBlockStore } from "../../src/router/identity-block-ports.ts";
import type { Placement, PlacementStore } from "../../src/router/ports.ts";
import type { RevocationLog, RevocationNews } from "../../src/router/revocation-ports.ts";
import { testMutation, testRequest } from "../support/mutation.ts";

/** Stores under test, all over the same data, and the time that they go by. */
export interface OpenedRevocationLog {
  readonly revocations: RevocationLog;
  readonly news: RevocationNews;
  readonly placements: PlacementStore;
  readonly keys: KeyStore;
  readonly vault: VaultStore;
  readonly blocks: IdentityBlockStore;
  readonly clock: ManualClock;
  readonly close: () => Promise<void> | void;
}

const AN_HOUR_MS = 3_600_000;
const UUID = "0190a3f0-0000-7000-8000-000000000008";
const NEVER = new AbortController().signal;

/** What every log of revocations must keep, whatever engine is behind it, and what the stores beside it must write. `open` gives empty ones. */
export function revocationLogContract(name: string, open: () => Promise<OpenedRevocationLog>): void {
  describe(`revocation log: ${name}`, () => {
    let opened: OpenedRevocationLog;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened.close();
    });

    async function place(account: string, agent: string, host: string, changes: Partial<Placement> = {}) {
      const expireMs = opened.clock.nowMs() + AN_HOUR_MS;
      const placement = { account, agent, host, generation: 1n, expireMs, ...changes };
      await opened.placements.place([placement], 0n, testMutation("", "agents.placed"));
    }
    const put = (version: number, replaces = 0, state: KeyState = "ACTIVE") =>
      opened.keys.put(newKey(version, replaces, state), testMutation("a1"));
    const remove = () => opened.keys.delete("a1", "openai", "", testMutation("a1", "key.deleted"));
    async function setState(state: KeyState) {
      const key = await opened.keys.find("a1", "openai");
      const standing: KeyStanding = { state, stateReason: "" };
      const { version = 0, revision = 0 } = key ?? {};
      const change = { account: "a1", keyId: "openai", version, revision, standing, probeDueMs: 0 };
      expect(await opened.keys.setState(change, testMutation("a1", "key.state-changed"))).not.toBe("raced");
    }
    /** What a host is told of from the beginning, each as a line. */
    async function toldTo(host: string): Promise<readonly string[] | "forgotten"> {
      const found = await opened.revocations.after(host, 0n, 1_000);
      if (found === "forgotten") return found;
      return found.map(
        ({ cause, account, agent, keyId, keyVersion }) => `${cause} ${account}/${agent} ${keyId}:${keyVersion}`,
      );
    }

    test("nothing was ever revoked in an empty one", async () => {
      expect(await opened.revocations.newest()).toBe(0n);
      expect(await toldTo("h1")).toEqual([]);
    });

    test("each cause that concerns a key is told to every host that runs an agent of the account, and to no other", async () => {
      await place("a1", "x", "h1");
      await place("a1", "y", "h1");
      await place("a1", "z", "h2");
      await place("a2", "x", "h3");
      await put(1);
      await put(2, 1);
      await setState("DEAD");
      await remove();
      for (const host of ["h1", "h2"]) {
        expect(await toldTo(host)).toEqual([
          "KEY_REPLACED a1/ openai:1",
          "KEY_FAILED a1/ openai:2",
          "KEY_DELETED a1/ openai:2",
        ]);
      }
      expect(await toldTo("h3")).toEqual([]);
    });

    test("a key in trouble is revoked when it fails for good, once, and not when it is limited or heals", async () => {
      await place("a1", "x", "h1");
      await put(1);
      for (const state of ["RATE_LIMITED", "EXHAUSTED", "ACTIVE", "BLOCKED", "DEAD", "DEAD", "ACTIVE", "DEAD"] as const)
        await setState(state);
      expect(await toldTo("h1")).toEqual(["KEY_FAILED a1/ openai:1", "KEY_FAILED a1/ openai:1"]);
    });

    test("a change that did not happen revokes nothing", async () => {
      await place("a1", "x", "h1");
      await put(1);
      expect(await put(5, 4)).toBe("raced");
      await expect(opened.keys.delete("a1", "openai", "stale", testMutation("a1"))).rejects.toThrow();
      const stale = { account: "a1", agent: "x", host: "h2", generation: 1n, expireMs: 9 };
      await expect(opened.placements.place([stale], 0n, testMutation("", "agents.placed"))).rejects.toThrow();
      expect(await toldTo("h1")).toEqual([]);
      expect(await opened.revocations.newest()).toBe(0n);
    });

    test("a repeated request id revokes nothing again", async () => {
      await place("a1", "x", "h1");
      await put(1);
      const mutation = testMutation("a1", "key.deleted", testRequest("a1", UUID, { provider: "h" }));
      await opened.keys.delete("a1", "openai", "", mutation);
      await opened.keys.delete("a1", "openai", "", mutation);
      expect(await toldTo("h1")).toEqual(["KEY_DELETED a1/ openai:1"]);
    });

    test("an agent that leaves a host is told to that host; afterwards the host hears of the account no more", async () => {
      await place("a1", "x", "h1");
      await place("a1", "x", "h2", { generation: 2n });
      await opened.placements.remove(
        [{ account: "a1", agent: "x", generation: 0n }],
        testMutation("", "agents.removed"),
      );
      await put(1);
      await remove();
      expect(await toldTo("h1")).toEqual(["AGENT_MOVED a1/x :0"]);
      expect(await toldTo("h2")).toEqual(["AGENT_REMOVED a1/x :0"]);
    });

    test("a renewal revokes nothing, unless a lease would outlive the placement", async () => {
      await place("a1", "x", "h1");
      await place("a1", "x", "h1");
      await place("a1", "x", "h1", { expireMs: opened.clock.nowMs() + LIMITS.byokReuseMs });
      expect(await toldTo("h1")).toEqual([]);
      await place("a1", "x", "h1", { expireMs: opened.clock.nowMs() + 1_000 });
      expect(await toldTo("h1")).toEqual(["AGENT_REMOVED a1/x :0"]);
    });

    test("a host whose placement ran out hears of the account for as long as its clock may be behind", async () => {
      await place("a1", "x", "h1", { expireMs: opened.clock.nowMs() + 1_000 });
      await put(1);
      opened.clock.advance(1_000 + LIMITS.leaseSkewMs - 1);
      await put(2, 1);
      opened.clock.advance(1);
      await put(3, 2);
      expect(await toldTo("h1")).toEqual(["KEY_REPLACED a1/ openai:1"]);
    });

    test("after the clock stepped back an hour, agents can still be taken away, and their hosts hear of their accounts", async () => {
      const { clock } = opened;
      const startMs = clock.nowMs();
      clock.advance(AN_HOUR_MS);
      await put(1);
      clock.stepWallTo(startMs);
      await place("a1", "x", "h1", { expireMs: startMs + AN_HOUR_MS / 2 });
      await place("a1", "y", "h1", { expireMs: startMs + AN_HOUR_MS / 2 });
      await put(2, 1);
      const agents = [{ account: "a1", agent: "x", generation: 0n }];
      const { removedCount } = await opened.placements.remove(agents, testMutation("", "agents.removed"));
      expect(removedCount).toBe(1);
      expect((await opened.placements.find("a1", "x"))?.expireMs ?? 0).toBe(0);
      const block = { spiffeId: "spiffe://td/agent-host/h1", reason: "stolen", createMs: 1 };
      const mutation = testMutation("", "identity.blocked");
      expect(await opened.blocks.block(block, "h1", mutation)).toMatchObject({ endedPlacementCount: 1 });
      expect(await toldTo("h1")).toEqual([
        "KEY_REPLACED a1/ openai:1",
        "AGENT_REMOVED a1/x :0",
        "IDENTITY_BLOCKED / :0",
      ]);
    });

    test("a destroyed account is told to its hosts", async () => {
      await place("a1", "x", "h1");
      await put(1);
      const etag = (await opened.vault.describeAccount("a1"))?.etag ?? "";
      await opened.vault.shred("a1", etag, testMutation("a1", "account.shredded"));
      expect(await toldTo("h1")).toEqual(["ACCOUNT_SHREDDED a1/ :0"]);
    });

    test("a blocked host is told that nothing of its may be used", async () => {
      await place("a1", "x", "h1");
      const block = { spiffeId: "spiffe://td/agent-host/h1", reason: "stolen", createMs: 1 };
      await opened.blocks.block(block, "h1", testMutation("", "identity.blocked"));
      expect(await toldTo("h1")).toEqual(["IDENTITY_BLOCKED / :0"]);
    });

    test("revocations are numbered upwards and read in pages, each host's by itself", async () => {
      await place("a1", "x", "h1");
      await place("a1", "y", "h2");
      for (let version = 1; version <= 5; version += 1) await put(version, version - 1);
      const first = await opened.revocations.after("h1", 0n, 3);
      if (first === "forgotten") throw new Error("forgotten");
      expect(first.map(({ keyVersion }) => keyVersion)).toEqual([1, 2, 3]);
      const last = first.at(-1)?.seq ?? 0n;
      const second = await opened.revocations.after("h1", last, 3);
      expect(second).toMatchObject([{ keyVersion: 4, timeMs: opened.clock.nowMs() }]);
      const seqs = [...first, ...(second === "forgotten" ? [] : second)].map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.toSorted((a, b) => Number(a - b)));
      expect(await opened.revocations.newest()).toBe(8n);
    });

    test("what no lease can be older than is forgotten, which is said, and numbers go on", async () => {
      await place("a1", "x", "h1", { expireMs: opened.clock.nowMs() + 20 * AN_HOUR_MS });
      await put(1);
      await put(2, 1);
      const before = await opened.revocations.newest();
      opened.clock.advance(LIMITS.byokReuseMs + LIMITS.leaseSkewMs);
      await opened.revocations.sweep();
      expect(await toldTo("h1")).toHaveLength(1);
      opened.clock.advance(1);
      await opened.revocations.sweep();
      expect(await toldTo("h1")).toBe("forgotten");
      expect(await opened.revocations.after("h2", before - 1n, 10)).toBe("forgotten");
      expect(await opened.revocations.after("h1", before, 10)).toEqual([]);
      expect(await opened.revocations.newest()).toBe(before);
      await put(3, 2);
      expect(await opened.revocations.after("h1", before, 10)).toMatchObject([{ seq: before + 1n, keyVersion: 2 }]);
    });

    test("whoever has the answer to a change can rely on its revocation having been told, to its host alone", async () => {
      const { news } = opened;
      await place("a1", "x", "h1");
      await place("a2", "x", "h2");
      await put(1);
      const [mark, otherMark] = [news.mark("h1"), news.mark("h2")];
      const [listener, other] = [news.listen("h1"), news.listen("h2")];
      await remove();
      expect(news.mark("h1")).not.toBe(mark);
      expect(news.mark("h2")).toBe(otherMark);
      expect(news.newest).toBe(await opened.revocations.newest());
      expect(await listener.next(AN_HOUR_MS, NEVER)).toBe(true);
      expect(await listener.next(1, NEVER)).toBe(false);
      expect(await other.next(1, NEVER)).toBe(false);
      listener.close();
      other.close();
    });
  });
}

function newKey(version: number, replacesVersion: number, state: KeyState): NewKey {
  const record = {
    account: "a1",
    keyId: "openai",
    provider: "openai",
    version,
    revision: 1,
    source: "PASTED",
    state,
    stateReason: "",
    createMs: 1_790_000_000_000,
  } as const;
  const sealed = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(200).fill(version) };
  const fingerprint = new Uint8Array(32).fill(version);
  return { record, sealed, fingerprint, replacesVersion, probeDueMs: record.createMs };
}
