import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DataKeyStore, WrappedDataKey } from "../../src/seal/ports.ts";

/** What every store of wrapped data keys must keep, whatever engine is behind it. `open` gives an empty one. */
export function dataKeyStoreContract(
  name: string,
  open: () => Promise<{ readonly store: DataKeyStore; readonly close: () => Promise<void> | void }>,
): void {
  describe(`data key store: ${name}`, () => {
    let store: DataKeyStore;
    let close: () => Promise<void> | void;

    beforeEach(async () => {
      ({ store, close } = await open());
    });
    afterEach(async () => {
      await close();
    });

    test("a key comes back as it was stored, byte for byte", async () => {
      const key = wrappedKey({ wrapped: Uint8Array.from({ length: 6_144 }, (_none, index) => index % 256) });
      expectSame(await store.insert(key), key);
      expectSame(await store.find(key), key);
    });

    test("a key that is not there is not found", async () => {
      await store.insert(wrappedKey({}));
      expect(await store.find(wrappedKey({ account: "acct-2" }))).toBeUndefined();
      expect(await store.find(wrappedKey({ dataKeyId: "fingerprint" }))).toBeUndefined();
      expect(await store.find(wrappedKey({ dataKeyVersion: 2 }))).toBeUndefined();
      expect(await store.newest("acct-2", "records")).toBeUndefined();
      expect(await store.newest("acct-1", "fingerprint")).toBeUndefined();
    });

    test("accounts and ids are told apart by case and to the letter", async () => {
      await store.insert(wrappedKey({ account: "acct-1" }));
      expect(await store.find(wrappedKey({ account: "ACCT-1" }))).toBeUndefined();
      expect(await store.find(wrappedKey({ account: "acct-1 " }))).toBeUndefined();
      expect(await store.find(wrappedKey({ dataKeyId: "RECORDS" }))).toBeUndefined();
    });

    test("the newest key is the one of the highest version, in whatever order they came", async () => {
      for (const dataKeyVersion of [2, 10, 9]) {
        await store.insert(wrappedKey({ dataKeyVersion, wrapped: Uint8Array.of(dataKeyVersion) }));
      }
      await store.insert(wrappedKey({ account: "acct-2", dataKeyVersion: 11 }));
      await store.insert(wrappedKey({ dataKeyId: "fingerprint", dataKeyVersion: 12 }));
      expect((await store.newest("acct-1", "records"))?.dataKeyVersion).toBe(10);
    });

    test("versions reach to the end of 32 bits", async () => {
      const key = wrappedKey({ dataKeyVersion: 0xffff_ffff });
      await store.insert(key);
      expectSame(await store.newest("acct-1", "records"), key);
    });

    test("the last version is the highest of that id, and 0 where there is none", async () => {
      for (const dataKeyVersion of [2, 10, 9]) await store.insert(wrappedKey({ dataKeyVersion }));
      await store.insert(wrappedKey({ dataKeyId: "other", dataKeyVersion: 30 }));
      expect(await store.lastVersion("acct-1", "records")).toBe(10);
      expect(await store.lastVersion("acct-1", "absent")).toBe(0);
      expect(await store.lastVersion("acct-2", "records")).toBe(0);
    });

    test("a second insert of the same version changes nothing and gives the first", async () => {
      const first = wrappedKey({ wrapped: Uint8Array.of(1, 2, 3) });
      await store.insert(first);
      const second = wrappedKey({ wrapped: Uint8Array.of(9), kmsKeyArn: "arn:other", createMs: 5 });
      expectSame(await store.insert(second), first);
      expectSame(await store.find(first), first);
    });

    test("of many inserts at once one wins, and everyone is given that one", async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_none, index) => store.insert(wrappedKey({ wrapped: Uint8Array.of(index) }))),
      );
      const stored = await store.find(wrappedKey({}));
      for (const answer of answers) expect(Buffer.from(answer.wrapped)).toEqual(Buffer.from(stored?.wrapped ?? []));
    });

    test("bytes that the caller changes after an insert do not change what is stored", async () => {
      const wrapped = Uint8Array.of(1, 2, 3);
      await store.insert(wrappedKey({ wrapped }));
      wrapped.fill(0);
      expectSame(await store.find(wrappedKey({})), wrappedKey({ wrapped: Uint8Array.of(1, 2, 3) }));
    });
  });
}

function wrappedKey(changes: Partial<WrappedDataKey>): WrappedDataKey {
  return {
    account: "acct-1",
    dataKeyId: "records",
    dataKeyVersion: 1,
    kmsKeyArn: "arn:aws:kms:us-east-1:000000000000:key/5f0c5a3e-0d0b-4f7e-9a52-4b1f3d2c1b0a",
    wrapped: Uint8Array.of(1, 2, 3),
    createMs: 1_790_000_000_123,
    ...changes,
  };
}

/** Engines may give bytes as Buffer or Uint8Array. */
function expectSame(actual: WrappedDataKey | undefined, expected: WrappedDataKey): void {
  expect(actual).toBeDefined();
  if (actual === undefined) return;
  expect({ ...actual, wrapped: Buffer.from(actual.wrapped) }).toEqual({
    ...expected,
    wrapped: Buffer.from(expected.wrapped),
  });
}
