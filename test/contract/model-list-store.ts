import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Provider } from "../../src/base/provider.ts";
import { EVERYBODY, type ModelListStore } from "../../src/keyvault/model-list-ports.ts";
import type { KeyRecord, KeyRef, KeyStore } from "../../src/keyvault/ports.ts";
import type { VaultStore } from "../../src/keyvault/vault-ports.ts";
import type { ListedModel } from "../../src/providers/read-model-list.ts";
import type { ModelLists } from "../../src/router/ports.ts";
import { testMutation } from "../support/mutation.ts";

/** A store under test, with the keys that its lists belong to and the router's view of them. */
export interface OpenedModelListStore {
  readonly store: ModelListStore;
  readonly lists: ModelLists;
  readonly keys: KeyStore;
  readonly vault: Pick<VaultStore, "shred" | "describeAccount">;
  readonly close: () => Promise<void> | void;
}

/** Beyond any clock that a store may be opened with. */
const FAR_MS = 4_000_000_000_000;
const PUBLIC: KeyRef = { account: EVERYBODY, keyId: "openrouter", version: 0 };

/** What every store of model lists must keep, whatever engine is behind it. `open` gives an empty one. */
export function modelListStoreContract(name: string, open: () => Promise<OpenedModelListStore>): void {
  describe(`model list store: ${name}`, () => {
    let opened: OpenedModelListStore;

    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened.close();
    });

    /** Connects a key, in place of the version before if it is not the first. */
    async function connect(account: string, provider: Provider, version = 1): Promise<KeyRef> {
      const record: KeyRecord = {
        account,
        keyId: provider,
        provider,
        version,
        revision: 1,
        source: "PASTED",
        state: "ACTIVE",
        stateReason: "",
        createMs: 1_790_000_000_000,
      };
      const sealed = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(200) };
      const fingerprint = new Uint8Array(32).fill(version);
      const key = { record, sealed, fingerprint, replacesVersion: version - 1, probeDueMs: FAR_MS };
      expect(await opened.keys.put(key, testMutation(account))).toEqual(record);
      return { account, keyId: provider, version };
    }

    const put = (list: KeyRef, models: readonly ListedModel[], fetchedMs = 5) =>
      opened.store.put(list, { models, fetchedMs, dueMs: FAR_MS });
    const dueKeys = async (nowMs = FAR_MS - 1, limit = 10) =>
      (await opened.store.due(nowMs, limit)).map(({ account, keyId }) => `${account}/${keyId}`);

    /** The account's ids as the router sees them, both when asked anew and when they are in memory. */
    async function idsOf(account: string): Promise<Record<string, readonly string[]>> {
      const ids = await opened.lists.of(account);
      expect(opened.lists.warm(account)).toBe(ids);
      return Object.fromEntries([...ids].map(([provider, set]) => [provider, [...set].sort()]));
    }

    test("a key's list is due as soon as the key is stored, and not again until it is due again", async () => {
      const groq = await connect("acct-1", "groq");
      expect(await opened.store.due(0, 10)).toEqual([{ ...groq, provider: "groq", failures: 0, isFirst: true }]);
      await opened.store.defer(groq, 100, "later");
      expect(await dueKeys(99)).toEqual([]);
      expect(await dueKeys(100)).toEqual(["acct-1/groq"]);
      await put(groq, []);
      expect(await dueKeys()).toEqual([]);
    });

    test("lists that wait longest come first, no more than asked for", async () => {
      const refs = [await connect("a", "groq"), await connect("b", "groq"), await connect("c", "groq")];
      for (const [index, ref] of refs.entries()) await opened.store.defer(ref, 30 - index, "later");
      expect(await dueKeys(FAR_MS, 2)).toEqual(["c/groq", "b/groq"]);
    });

    test("failures are counted until a list comes", async () => {
      const groq = await connect("acct-1", "groq");
      await opened.store.defer(groq, 1, "failed");
      await opened.store.defer(groq, 1, "failed");
      expect(await opened.store.due(1, 10)).toMatchObject([{ failures: 2, isFirst: false }]);
      await opened.store.put(groq, { models: [], fetchedMs: 5, dueMs: 6 });
      expect(await opened.store.due(6, 10)).toMatchObject([{ failures: 0, isFirst: false }]);
    });

    test("the router sees ids and aliases of each provider that told them, and nothing else", async () => {
      expect(await idsOf("acct-1")).toEqual({});
      const [groq, xai] = [await connect("acct-1", "groq"), await connect("acct-1", "xai")];
      await connect("acct-1", "together");
      await put(groq, [{ id: "a" }, { id: "b", displayName: "B", contextTokens: 7 }]);
      await put(xai, [{ id: "grok", aliases: ["grok-latest"] }]);
      expect(await idsOf("acct-1")).toEqual({ groq: ["a", "b"], xai: ["grok", "grok-latest"] });
      expect(await idsOf("ACCT-1")).toEqual({});
    });

    test("a list is told in full, with its age and how its last fetching went; what was fetched before a failure stays", async () => {
      const [groq, xai] = [await connect("acct-1", "groq"), await connect("acct-1", "xai")];
      await connect("acct-1", "together");
      const models = [{ id: "a", displayName: "Ä", contextTokens: 7, aliases: ["b"] }];
      await put(groq, models, 5);
      await put(xai, models, 6);
      await opened.store.defer(xai, 9, "failed");
      expect(await opened.lists.describe("acct-1")).toEqual([
        { provider: "groq", state: "FETCHED", fetchedMs: 5, models },
        { provider: "together", state: "PENDING", models: [] },
        { provider: "xai", state: "FAILED", fetchedMs: 6, models },
      ]);
      expect(await idsOf("acct-1")).toMatchObject({ xai: ["a", "b"] });
      expect(await opened.lists.describe("acct-2")).toEqual([]);
    });

    test("a new list takes the place of the old one at once", async () => {
      const groq = await connect("acct-1", "groq");
      await put(groq, [{ id: "old" }]);
      expect(await idsOf("acct-1")).toEqual({ groq: ["old"] });
      await put(groq, [{ id: "new" }]);
      expect(await idsOf("acct-1")).toEqual({ groq: ["new"] });
    });

    test("accounts with the same list keep it when one of them goes", async () => {
      const [one, other] = [await connect("a", "groq"), await connect("b", "groq")];
      for (const ref of [one, other]) await put(ref, [{ id: "same" }]);
      expect(await idsOf("a")).toEqual(await idsOf("b"));
      await opened.keys.delete("a", "groq", "", testMutation("a", "key.deleted"));
      expect(await idsOf("a")).toEqual({});
      expect(await idsOf("b")).toEqual({ groq: ["same"] });
      expect(await opened.lists.describe("b")).toMatchObject([{ models: [{ id: "same" }] }]);
    });

    test("a list goes with its key: removed, replaced or destroyed", async () => {
      const removed = await connect("acct-1", "groq");
      const replaced = await connect("acct-1", "xai");
      for (const ref of [removed, replaced]) await put(ref, [{ id: "x" }]);
      expect(await idsOf("acct-1")).toEqual({ groq: ["x"], xai: ["x"] });
      await opened.keys.delete("acct-1", "groq", "", testMutation("acct-1", "key.deleted"));
      const second = await connect("acct-1", "xai", 2);
      expect(await idsOf("acct-1")).toEqual({});
      expect(await opened.store.due(0, 10)).toEqual([{ ...second, provider: "xai", failures: 0, isFirst: true }]);
      await put(second, [{ id: "y" }]);
      expect(await idsOf("acct-1")).toEqual({ xai: ["y"] });
      const etag = (await opened.vault.describeAccount("acct-1"))?.etag ?? "";
      await opened.vault.shred("acct-1", etag, testMutation("acct-1", "account.shredded"));
      expect(await idsOf("acct-1")).toEqual({});
      expect(await opened.lists.describe("acct-1")).toEqual([]);
      expect(await dueKeys()).toEqual([]);
    });

    test("what was fetched for a version that is gone is passed over", async () => {
      const first = await connect("acct-1", "xai");
      await connect("acct-1", "xai", 2);
      await put(first, [{ id: "x" }]);
      await opened.store.defer(first, FAR_MS, "failed");
      expect(await idsOf("acct-1")).toEqual({});
      expect(await opened.lists.describe("acct-1")).toMatchObject([{ state: "PENDING" }]);
      expect(await dueKeys(0)).toEqual(["acct-1/xai"]);
    });

    test("what everybody is told is fetched once, and seen by those who have a key for it", async () => {
      await connect("a", "openrouter");
      await connect("b", "openrouter");
      expect(await opened.store.due(0, 10)).toEqual([
        { ...PUBLIC, provider: "openrouter", failures: 0, isFirst: true },
      ]);
      expect(await idsOf("a")).toEqual({});
      expect(await opened.lists.describe("a")).toMatchObject([{ provider: "openrouter", state: "PENDING" }]);
      await put(PUBLIC, [{ id: "x" }]);
      for (const account of ["a", "b"]) expect(await idsOf(account)).toEqual({ openrouter: ["x"] });
      expect(await idsOf("c")).toEqual({});
      await put(PUBLIC, [{ id: "y" }]);
      expect(await idsOf("a")).toEqual({ openrouter: ["y"] });
      await opened.keys.delete("a", "openrouter", "", testMutation("a", "key.deleted"));
      expect(await idsOf("a")).toEqual({});
      expect(await opened.lists.describe("a")).toEqual([]);
      expect(await idsOf("b")).toEqual({ openrouter: ["y"] });
    });

    test("a new key does not bring back what everybody is told before its time", async () => {
      await connect("a", "openrouter");
      await put(PUBLIC, [{ id: "x" }]);
      await connect("b", "openrouter");
      expect(await dueKeys()).toEqual([]);
      expect(await idsOf("b")).toEqual({ openrouter: ["x"] });
    });

    test("plori's own keys have no lists", async () => {
      await connect("platform", "groq");
      await connect("platform", "openrouter");
      expect(await dueKeys()).toEqual([]);
    });
  });
}
