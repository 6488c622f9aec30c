import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InstallationStore } from "../../src/keyvault/installation.ts";
import type { KeyStore, NewKey } from "../../src/keyvault/ports.ts";
import type { HeadEntry, NewHead, VaultStore } from "../../src/keyvault/vault-ports.ts";
import type { KeyDirectory } from "../../src/router/ports.ts";
import type { DataKeyStore, SealedRecord, WrappedDataKey } from "../../src/seal/ports.ts";
import { expectRefusal } from "../seal/open-test-sealer.ts";
import { testMutation, testRequest } from "../support/mutation.ts";

/** Stores under test, all over the same data. */
export interface OpenedVaultStore {
  readonly vault: VaultStore;
  readonly keys: KeyStore;
  readonly directory: KeyDirectory;
  readonly dataKeys: DataKeyStore;
  readonly installation: InstallationStore;
  readonly close: () => Promise<void> | void;
}

const UUID = "0190a3f0-0000-7000-8000-000000000002";

/** What every store of heads and of operators' work must keep, whatever engine is behind it. `open` gives an empty one. */
export function vaultStoreContract(name: string, open: () => Promise<OpenedVaultStore>): void {
  describe(`vault store: ${name}`, () => {
    let opened: OpenedVaultStore;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened.close();
    });

    test("an account without a head has none, and nothing removed", async () => {
      expect(await opened.vault.headState("a1")).toEqual({ removed: [], auditedEpoch: 0 });
      expect(await opened.vault.describeAccount("a1")).toBeUndefined();
    });

    test("a key brings its head in the same transaction, and the audit knows the head's epoch", async () => {
      const { vault, keys } = opened;
      const head = headOf("a1", 1, [{ keyId: "openai", version: 1, digest: "d1" }]);
      await keys.put({ ...newKey(1), head }, testMutation("a1"));
      const state = await vault.headState("a1");
      expect({ ...state.head, mac: Buffer.from(state.head?.mac ?? []) }).toEqual({
        account: "a1",
        epoch: 1,
        dataKeyVersion: 1,
        entries: head.entries,
        mac: Buffer.alloc(32, 1),
      });
      expect(state).toMatchObject({ removed: [], auditedEpoch: 1 });
      // Made from a head that is no longer the current one: neither key nor head is stored.
      expect(
        await keys.put(
          { ...newKey(2, 1), head: headOf("a1", 2, [], { epoch: 0, removedCount: 0 }) },
          testMutation("a1"),
        ),
      ).toBe("raced");
      expect(await keys.find("a1", "openai")).toMatchObject({ version: 1 });
      expect((await vault.headState("a1")).head?.epoch).toBe(1);
    });

    test("a removal is noted beside the head, and a head that was made before it is not stored", async () => {
      const { vault, keys } = opened;
      await keys.put({ ...newKey(1), head: headOf("a1", 1, []) }, testMutation("a1"));
      await keys.delete("a1", "openai", "", testMutation("a1", "key.deleted"));
      expect(await vault.headState("a1")).toMatchObject({
        head: { epoch: 1 },
        removed: [{ keyId: "openai", version: 1 }],
      });
      expect(await vault.accountsToFold("", 10)).toEqual(["a1"]);
      const { audit } = testMutation("a1", "account.head-renewed");
      expect(await vault.renewHead(headOf("a1", 2, [], { epoch: 1, removedCount: 0 }), audit)).toBe("raced");
      expect(await vault.renewHead(headOf("a1", 2, [], { epoch: 1, removedCount: 1 }), audit)).toBe("stored");
      expect(await vault.headState("a1")).toMatchObject({ head: { epoch: 2 }, removed: [], auditedEpoch: 2 });
      expect(await vault.accountsToFold("", 10)).toEqual([]);
    });

    test("a record is sealed anew only over the very bytes that were read, under a data key that exists, with its head", async () => {
      const { vault, keys, directory, dataKeys } = opened;
      await dataKeys.insert(dataKey(1));
      await keys.put({ ...newKey(1), head: headOf("a1", 1, []) }, testMutation("a1"));
      await directory.keysOf("a1");
      const [row] = await vault.rowsOf("a1");
      if (row === undefined) throw new Error("unreachable");
      const { audit } = testMutation("a1", "account.key-resealed");
      const anew = sealed(2, 9);
      const next = headOf("a1", 2, [], { epoch: 1, removedCount: 0 });
      expect(await vault.reseal(row, anew, next, audit)).toBe("raced");
      await dataKeys.insert(dataKey(2));
      expect(await vault.accountsInRotation("", 10)).toEqual(["a1"]);
      expect(await vault.endRotation("a1")).toBe(false);
      expect(await vault.reseal({ ...row, sealed: sealed(1, 7) }, anew, next, audit)).toBe("raced");
      expect(await vault.reseal(row, anew, headOf("a1", 2, [], { epoch: 0, removedCount: 0 }), audit)).toBe("raced");
      expect(await vault.reseal(row, anew, next, audit)).toBe("stored");
      expect(await vault.endRotation("a1")).toBe(true);
      expect(await vault.accountsInRotation("", 10)).toEqual([]);
      const [routable] = await directory.keysOf("a1");
      expect(routable?.sealed).toMatchObject({ dataKeyVersion: 2 });
      expect(Buffer.from(routable?.sealed.bytes ?? [])).toEqual(Buffer.from(anew.bytes));
    });

    test("a stored record counts at the data key that sealed it, and one that was not stored does not", async () => {
      const { vault, keys, dataKeys } = opened;
      expect(await vault.mostSeals()).toBe(0);
      await dataKeys.insert(dataKey(1));
      expect(await vault.mostSeals()).toBe(0);
      await keys.put({ ...newKey(1), head: headOf("a1", 1, []) }, testMutation("a1"));
      expect(await vault.mostSeals()).toBe(1);
      expect(await keys.put(newKey(1), testMutation("a1"))).toBe("raced");
      expect(await vault.mostSeals()).toBe(1);
      const next = { ...newKey(2, 1), head: headOf("a1", 2, [], { epoch: 1, removedCount: 0 }) };
      await keys.put(next, testMutation("a1"));
      expect(await vault.mostSeals()).toBe(2);
      await dataKeys.insert(dataKey(2));
      const [row] = await vault.rowsOf("a1");
      if (row === undefined) throw new Error("unreachable");
      const { audit } = testMutation("a1", "account.key-resealed");
      await vault.reseal(row, sealed(2, 9), headOf("a1", 3, [], { epoch: 2, removedCount: 0 }), audit);
      expect(await vault.mostSeals()).toBe(2);
      expect(await vault.accountsToRotate("", 10)).toEqual([]);
    });

    test("a key that was sealed under a data key which is not the newest any more is not stored", async () => {
      await opened.dataKeys.insert(dataKey(1));
      await opened.dataKeys.insert(dataKey(2));
      expect(await opened.keys.put(newKey(1), testMutation("a1"))).toBe("raced");
      expect(await opened.keys.put({ ...newKey(1), sealed: sealed(2, 1) }, testMutation("a1"))).toMatchObject({
        version: 1,
      });
    });

    test("a rotation is recorded once for a request id, with how many records it concerns", async () => {
      const { vault, keys, dataKeys } = opened;
      await dataKeys.insert(dataKey(1));
      await keys.put(newKey(1), testMutation("a1"));
      await dataKeys.insert(dataKey(2));
      const request = testRequest("a1", UUID, { account: "h" });
      const mutation = testMutation("a1", "account.key-rotated", request);
      const first = await vault.beginRotation("a1", 2, mutation);
      expect(first).toEqual({ dataKeyVersion: 2, recordCount: 1 });
      expect(await vault.beginRotation("a1", 3, mutation)).toEqual(first);
      expect(await vault.findAnswer(request)).toEqual(first);
    });

    test("a wrapped data key is swapped only for the very bytes that were read", async () => {
      const { vault, dataKeys } = opened;
      const before = await dataKeys.insert(dataKey(1));
      const after = { ...before, kmsKeyArn: "arn:new", wrapped: Uint8Array.of(9, 9) };
      const { audit } = testMutation("a1", "data-key.rewrapped");
      expect(await vault.countNotWrappedBy("arn:new")).toBe(1);
      expect(await vault.swapDataKey({ ...before, wrapped: Uint8Array.of(7) }, after, audit)).toBe(false);
      expect(await vault.swapDataKey(before, after, audit)).toBe(true);
      expect(await vault.swapDataKey(before, after, audit)).toBe(false);
      expect(await vault.countNotWrappedBy("arn:new")).toBe(0);
      expect(await vault.notWrappedBy("arn:new", undefined, 10)).toEqual([]);
      expect(await dataKeys.find(before)).toMatchObject({ kmsKeyArn: "arn:new" });
    });

    test("a destroyed account is gone from every table of the vault, and its data key versions are used up", async () => {
      const { vault, keys, directory, dataKeys } = opened;
      await dataKeys.insert(dataKey(1));
      await keys.put({ ...newKey(1), head: headOf("a1", 1, []) }, testMutation("a1"));
      await directory.keysOf("a1");
      const etag = (await vault.describeAccount("a1"))?.etag ?? "";
      await expectRefusal(() => vault.shred("a1", `${etag}x`, testMutation("a1", "account.shredded")), "ETAG_MISMATCH");
      await expectRefusal(() => vault.shred("a2", etag, testMutation("a2", "account.shredded")), "KEY_NOT_FOUND");
      expect(await vault.shred("a1", etag, testMutation("a1", "account.shredded"))).toEqual({
        keyCount: 1,
        dataKeyCount: 1,
      });
      expect(await vault.truncateLog()).toBe(true);
      expect(await keys.list("a1", 10, "")).toEqual([]);
      expect(await directory.keysOf("a1")).toEqual([]);
      expect(await vault.headState("a1")).toEqual({ removed: [], auditedEpoch: 0 });
      expect(await dataKeys.newest("a1", "records")).toBeUndefined();
      expect(await dataKeys.lastVersion("a1", "records")).toBe(1);
      await expectRefusal(() => dataKeys.insert(dataKey(1)), "ETAG_MISMATCH");
      expect(await keys.put(newKey(2), testMutation("a1"))).toBe("raced");
      await dataKeys.insert(dataKey(2));
      expect(await keys.lastVersion("a1", "openai")).toBe(1);
    });

    test("accounts come in pages, in order, each once", async () => {
      for (const account of ["a3", "a1", "a2"]) {
        const key = newKey(1, 0, account);
        await opened.keys.put(account === "a2" ? key : { ...key, head: headOf(account, 1, []) }, testMutation(account));
      }
      expect(await opened.vault.accounts("", 2)).toEqual(["a1", "a2"]);
      expect(await opened.vault.accounts("a2", 2)).toEqual(["a3"]);
    });

    test("the first canary stays", async () => {
      const { installation } = opened;
      expect(await installation.canary()).toBeUndefined();
      const canary = { environment: "test", dataKeyId: "records", dataKeyVersion: 1, mac: "00" };
      const { audit } = testMutation("", "installation.sealed");
      expect(await installation.setCanary(canary, audit)).toEqual(canary);
      expect(await installation.setCanary({ ...canary, environment: "other" }, audit)).toEqual(canary);
      expect(await installation.canary()).toEqual(canary);
    });
  });
}

function headOf(
  account: string,
  epoch: number,
  entries: readonly HeadEntry[],
  replaces = { epoch: epoch - 1, removedCount: 0 },
): NewHead {
  return { account, epoch, dataKeyVersion: 1, entries, mac: new Uint8Array(32).fill(epoch), replaces };
}

function sealed(dataKeyVersion: number, fill: number): SealedRecord {
  return { dataKeyId: "records", dataKeyVersion, bytes: new Uint8Array(200).fill(fill) };
}

function newKey(version: number, replacesVersion = 0, account = "a1"): NewKey {
  return {
    record: {
      account,
      keyId: "openai",
      provider: "openai",
      version,
      revision: 1,
      source: "PASTED",
      state: "ACTIVE",
      stateReason: "",
      createMs: 1_790_000_000_000,
    },
    sealed: sealed(1, version),
    fingerprint: new Uint8Array(32),
    probeDueMs: 1_790_000_000_000,
    replacesVersion,
  };
}

function dataKey(dataKeyVersion: number): WrappedDataKey {
  return {
    account: "a1",
    dataKeyId: "records",
    dataKeyVersion,
    kmsKeyArn: "arn:old",
    wrapped: Uint8Array.of(1, dataKeyVersion),
    createMs: 1_790_000_000_000,
  };
}
