import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PloriError } from "../../src/base/errors.ts";
import { etagOf, type KeyRecord, type KeyStore, type NewKey } from "../../src/keyvault/ports.ts";
import type { KeyDirectory } from "../../src/router/ports.ts";
import { testMutation, testRequest } from "../support/mutation.ts";

/** A store under test, with the router's view of the same keys. */
export interface OpenedKeyStore {
  readonly store: KeyStore;
  readonly directory: KeyDirectory;
  readonly close: () => Promise<void> | void;
}

const UUID = "0190a3f0-0000-7000-8000-000000000001";

/** What every store of sealed keys must keep, whatever engine is behind it. `open` gives an empty one. */
export function keyStoreContract(name: string, open: () => Promise<OpenedKeyStore>): void {
  describe(`key store: ${name}`, () => {
    let store: KeyStore;
    let directory: KeyDirectory;
    let close: () => Promise<void> | void;

    beforeEach(async () => {
      ({ store, directory, close } = await open());
    });
    afterEach(async () => {
      await close();
    });

    async function put(key: NewKey): Promise<KeyRecord | "raced"> {
      return store.put(key, testMutation(key.record.account));
    }

    test("a key comes back as it was stored, with every optional field and without any", async () => {
      const bare = newKey({ provider: "groq", keyId: "groq" });
      const full = newKey({
        state: "RATE_LIMITED",
        stateReason: "too many requests",
        stateUntilMs: 1_790_000_060_000,
        limits: { limitUsdNano: 2n ** 62n, remainingUsdNano: -5n, expireMs: 1_800_000_000_000 },
        verifyMs: 1_790_000_000_001,
      });
      expect(await put(bare)).toEqual(bare.record);
      expect(await put(full)).toEqual(full.record);
      expect(await store.find("acct-1", "groq")).toEqual(bare.record);
      expect(await store.find("acct-1", "openai")).toEqual(full.record);
    });

    test("the router sees the sealed bytes of exactly what was stored last", async () => {
      expect(await directory.keysOf("acct-1")).toEqual([]);
      await put(newKey({}, 1));
      await put(newKey({ version: 2, state: "EXHAUSTED", stateUntilMs: 5 }, 2, 1));
      const [key, ...others] = await directory.keysOf("acct-1");
      expect(others).toEqual([]);
      expect(key).toMatchObject({ account: "acct-1", keyId: "openai", provider: "openai", version: 2 });
      expect(key).toMatchObject({ state: "EXHAUSTED", stateUntilMs: 5 });
      expect(key?.sealed.dataKeyId).toBe("records");
      expect(key?.sealed.dataKeyVersion).toBe(1);
      expect(Buffer.from(key?.sealed.bytes ?? []).equals(Buffer.alloc(200, 2))).toBe(true);
      await store.delete("acct-1", "openai", "", testMutation("acct-1", "key.deleted"));
      expect(await directory.keysOf("acct-1")).toEqual([]);
    });

    test("a key that is not there is not found, and ids are told apart to the letter", async () => {
      await put(newKey({}));
      expect(await store.find("acct-2", "openai")).toBeUndefined();
      expect(await store.find("ACCT-1", "openai")).toBeUndefined();
      expect(await store.find("acct-1", "xai")).toBeUndefined();
      expect(await directory.keysOf("ACCT-1")).toEqual([]);
    });

    test("a list is ordered by key id, begins after the named key, and stays within its account", async () => {
      for (const provider of ["xai", "deepseek", "openai", "groq"] as const)
        await put(newKey({ provider, keyId: provider }));
      await put(newKey({ account: "acct-2", provider: "together", keyId: "together" }));
      const ids = async (limit: number, after: string) =>
        (await store.list("acct-1", limit, after)).map((k) => k.keyId);
      expect(await ids(10, "")).toEqual(["deepseek", "groq", "openai", "xai"]);
      expect(await ids(2, "")).toEqual(["deepseek", "groq"]);
      expect(await ids(2, "groq")).toEqual(["openai", "xai"]);
      expect(await ids(2, "xai")).toEqual([]);
    });

    test("a version is never given twice, not even after a removal", async () => {
      expect(await store.lastVersion("acct-1", "openai")).toBe(0);
      await put(newKey({}));
      await store.delete("acct-1", "openai", "", testMutation("acct-1", "key.deleted"));
      expect(await store.lastVersion("acct-1", "openai")).toBe(1);
      expect(await put(newKey({ version: 1 }))).toBe("raced");
      expect(await put(newKey({ version: 2 }))).toMatchObject({ version: 2 });
    });

    test("a new standing is kept whole, seen by the router at once, and gives the next revision", async () => {
      await put(newKey({ hosts: ["host-1", "host-2"], limits: { limitUsdNano: 1n } }));
      const standing = {
        state: "RATE_LIMITED",
        stateReason: "too many requests",
        stateUntilMs: 1_790_000_060_000,
        stateFrom: "REPORT",
        strikes: 3,
        modelLimits: { "gpt-5.5": 1_790_000_060_000, "": 7 },
        limits: { remainingUsdNano: -5n },
        verifyMs: 1_790_000_000_001,
      } as const;
      const change = { account: "acct-1", keyId: "openai", version: 1, revision: 1, standing, probeDueMs: 9 };
      // The router has looked before: what it remembers must not outlive the change.
      expect(await directory.keysOf("acct-1")).toMatchObject([{ state: "ACTIVE" }]);
      const stored = await store.setState(change, testMutation("acct-1", "key.state-changed"));
      const expected = { ...newKey({ hosts: ["host-1", "host-2"], revision: 2 }).record, ...standing };
      expect(stored).toEqual(expected);
      expect(await store.find("acct-1", "openai")).toEqual(expected);
      expect((await store.load("acct-1", "openai"))?.record).toEqual(expected);
      const { modelLimits, stateUntilMs, state } = standing;
      expect(await directory.keysOf("acct-1")).toMatchObject([
        { state, stateUntilMs, modelLimits, hosts: ["host-1", "host-2"] },
      ]);
      const active = { state: "ACTIVE", stateReason: "" } as const;
      await store.setState({ ...change, revision: 2, standing: active });
      const bare = { ...newKey({ hosts: ["host-1", "host-2"], revision: 3 }).record };
      expect(await store.find("acct-1", "openai")).toEqual(bare);
    });

    test("a new standing for another version or revision changes nothing, and of many rivals one wins", async () => {
      await put(newKey({}));
      const standing = { state: "DEAD", stateReason: "revoked" } as const;
      const change = { account: "acct-1", keyId: "openai", version: 1, revision: 1, standing, probeDueMs: 9 };
      expect(await store.setState({ ...change, version: 2 })).toBe("raced");
      expect(await store.setState({ ...change, revision: 2 })).toBe("raced");
      expect(await store.setState({ ...change, keyId: "xai" })).toBe("raced");
      expect(await store.find("acct-1", "openai")).toMatchObject({ state: "ACTIVE", revision: 1 });
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => store.setState(change)));
      expect(outcomes.filter((outcome) => outcome !== "raced")).toHaveLength(1);
    });

    test("a repeated request id of a new standing gives the first answer", async () => {
      await put(newKey({}));
      const mutation = testMutation("acct-1", "key.verified", testRequest("acct-1", UUID, { provider: "h1" }));
      const standing = { state: "ACTIVE", stateReason: "", verifyMs: 5 } as const;
      const change = { account: "acct-1", keyId: "openai", version: 1, revision: 1, standing, probeDueMs: 9 };
      const first = await store.setState(change, mutation);
      expect(await store.setState(change, mutation)).toEqual(first);
      expect(await store.find("acct-1", "openai")).toMatchObject({ revision: 2 });
    });

    test("keys come up for their probe by the time of it, the longest waiting first, until it is put off", async () => {
      for (const [index, provider] of (["xai", "openai", "groq"] as const).entries())
        await put({ ...newKey({ provider, keyId: provider }), probeDueMs: 100 + index });
      const due = async (nowMs: number, limit = 10) => (await store.dueProbes(nowMs, limit)).map((ref) => ref.keyId);
      expect(await due(99)).toEqual([]);
      expect(await due(101)).toEqual(["xai", "openai"]);
      expect(await due(1_000, 2)).toEqual(["xai", "openai"]);
      await store.deferProbe({ account: "acct-1", keyId: "xai", version: 1 }, 500);
      await store.deferProbe({ account: "acct-1", keyId: "groq", version: 2 }, 500);
      expect(await due(499)).toEqual(["openai", "groq"]);
      expect(await due(500)).toEqual(["openai", "groq", "xai"]);
      expect(await store.find("acct-1", "xai")).toMatchObject({ revision: 1 });
      await store.delete("acct-1", "openai", "", testMutation("acct-1", "key.deleted"));
      expect(await due(500)).toEqual(["groq", "xai"]);
    });

    test("several keys for one provider live side by side, and share one count of versions", async () => {
      expect(await put(newKey({ keyId: "openai-a" }))).toMatchObject({ version: 1 });
      expect(await put(newKey({ keyId: "openai-b", version: 1 }))).toBe("raced");
      expect(await put(newKey({ keyId: "openai-b", version: 2 }, 2))).toMatchObject({ version: 2 });
      expect(await put(newKey({ keyId: "openai-a", version: 3 }, 3, 1))).toMatchObject({ version: 3 });
      const keys = await directory.keysOf("acct-1");
      expect(keys.map((key) => `${key.keyId} ${key.version}`)).toEqual(["openai-a 3", "openai-b 2"]);
    });

    test("a key that another one overtook is not stored", async () => {
      await put(newKey({}));
      await put(newKey({ version: 2, stateReason: "the rival" }, 2, 1));
      // Sealed as version 2 too, or as version 3 in place of a version that is current no more.
      expect(await put(newKey({ version: 2 }, 3, 1))).toBe("raced");
      expect(await put(newKey({ version: 3 }, 3, 1))).toBe("raced");
      expect(await put(newKey({ version: 3 }, 3, 0))).toBe("raced");
      expect(await store.find("acct-1", "openai")).toMatchObject({ version: 2, stateReason: "the rival" });
      expect(await store.lastVersion("acct-1", "openai")).toBe(2);
    });

    test("of many rivals that saw the same key, exactly one is stored", async () => {
      await put(newKey({}));
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_none, index) => put(newKey({ version: 2, stateReason: `rival ${index}` }, 2, 1))),
      );
      expect(outcomes.filter((outcome) => outcome !== "raced")).toHaveLength(1);
    });

    test("a removal wants the etag that is current, and takes an empty one as it comes", async () => {
      await put(newKey({}));
      await put(newKey({ version: 2 }, 2, 1));
      await expectReason(
        store.delete("acct-1", "openai", "1.1", testMutation("acct-1", "key.deleted")),
        "ETAG_MISMATCH",
      );
      expect(await store.find("acct-1", "openai")).toBeDefined();
      const removed = await store.delete(
        "acct-1",
        "openai",
        etagOf({ version: 2, revision: 1 }),
        testMutation("acct-1"),
      );
      expect(removed).toMatchObject({ version: 2 });
      expect(await store.find("acct-1", "openai")).toBeUndefined();
      await expectReason(store.delete("acct-1", "openai", "", testMutation("acct-1", "key.deleted")), "KEY_NOT_FOUND");
    });

    test("a repeated request id gives the first answer and changes nothing", async () => {
      const request = testRequest("acct-1", UUID, { provider: "h1", secret: "h2" });
      expect(await store.findAnswer(request)).toBeUndefined();
      const first = await store.put(newKey({}), testMutation("acct-1", "key.connected", request));
      const rival = newKey({ version: 2, limits: { limitUsdNano: 7n } }, 2, 1);
      expect(await store.put(rival, testMutation("acct-1", "key.connected", request))).toEqual(first);
      expect(await store.findAnswer(request)).toEqual(first);
      expect(await store.find("acct-1", "openai")).toMatchObject({ version: 1 });
    });

    test("a repeated removal gives the first answer, although the key is gone", async () => {
      const request = testRequest("acct-1", UUID, { provider: "h1" });
      await put(newKey({ limits: { remainingUsdNano: 12n } }));
      const mutation = testMutation("acct-1", "key.deleted", request);
      const first = await store.delete("acct-1", "openai", "", mutation);
      expect(await store.delete("acct-1", "openai", "", mutation)).toEqual(first);
    });

    test("a request id with another payload is refused and names the fields that differ", async () => {
      const request = testRequest("acct-1", UUID, { provider: "h1", secret: "h2", actor: "h3" });
      await store.put(newKey({}), testMutation("acct-1", "key.connected", request));
      const other = { ...request, fieldHashes: { provider: "h1", secret: "x", actor: "y" } };
      for (const attempt of [
        store.findAnswer(other),
        store.put(newKey({ version: 2 }, 2, 1), testMutation("acct-1", "key.connected", other)),
      ]) {
        const error = await expectReason(attempt, "REQUEST_ID_CONFLICT");
        expect(error.refusal.metadata?.["differing_fields"]).toBe("actor,secret");
      }
      expect(await store.find("acct-1", "openai")).toMatchObject({ version: 1 });
    });

    test("request ids of other callers, methods and accounts are other requests", async () => {
      const request = testRequest("acct-1", UUID, { provider: "h1" });
      await store.put(newKey({}), testMutation("acct-1", "key.connected", request));
      const hashes = { provider: "other" };
      expect(
        await store.findAnswer({ ...request, caller: "spiffe://x/settings/2", fieldHashes: hashes }),
      ).toBeUndefined();
      expect(await store.findAnswer({ ...request, method: "Other/Other", fieldHashes: hashes })).toBeUndefined();
      expect(await store.findAnswer({ ...request, account: "acct-2", fieldHashes: hashes })).toBeUndefined();
    });
  });
}

/** A key to store: `fill` fills its sealed bytes. */
/** A key of account "acct-1", with sealed bytes that are all `fill`. */
export function newKey(changes: Partial<KeyRecord>, fill = 1, replacesVersion = 0): NewKey {
  const record: KeyRecord = {
    account: "acct-1",
    keyId: "openai",
    provider: "openai",
    version: 1,
    revision: 1,
    source: "PASTED",
    state: "ACTIVE",
    stateReason: "",
    createMs: 1_790_000_000_000,
    ...changes,
  };
  const sealed = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(200).fill(fill) };
  return { record, sealed, fingerprint: new Uint8Array(32).fill(fill), replacesVersion, probeDueMs: record.createMs };
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
