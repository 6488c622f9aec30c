import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { type RewrapProgress, rewrapDataKeys } from "../../src/keyvault/life-cycle/rewrap-data-keys.ts";
import { createSealer } from "../../src/seal/create-sealer.ts";
import type { DataKeyLifeCycle } from "../../src/seal/life-cycle.ts";
import { expectRefusal } from "../seal/open-test-sealer.ts";
import { ADMIN, openVault, type TestVault } from "../support/vault.ts";

let vault: TestVault;
let newArn: string;
beforeEach(async () => {
  vault = await openVault();
  newArn = vault.kms.keyring.keys[1]?.keyArn ?? "";
  for (const account of ["a1", "a2", "a3"]) await vault.connect(account, "openai", `${account}-openai`);
});
afterEach(() => vault.close());

/** The sealer of a service whose active KMS key is the second. */
function migrating(): DataKeyLifeCycle {
  return createSealer({
    kms: vault.kms,
    store: vault.store.dataKeys,
    environment: "test",
    activeKmsKeyId: newArn,
    clock: systemClock,
    every: () => () => {},
  });
}

async function run(
  dataKeys: Pick<DataKeyLifeCycle, "rewrap">,
  input = { requestId: "", actor: "op" },
  signal = new AbortController().signal,
): Promise<readonly RewrapProgress[]> {
  const deps = { vault: vault.store.vault, dataKeys, activeKmsKeyArn: async () => newArn, clock: systemClock };
  const all: RewrapProgress[] = [];
  for await (const progress of rewrapDataKeys(deps, input, ADMIN, signal)) all.push(progress);
  return all;
}

test("every data key ends under the active KMS key, once, and opens what it opened", async () => {
  expect((await run(migrating())).at(-1)).toMatchObject({
    // Those of the three accounts, and the one that fingerprints are made with.
    rewrappedCount: 4,
    failedCount: 0,
    remainingCount: 0,
    isDone: true,
  });
  expect((await run(migrating())).at(-1)).toMatchObject({ rewrappedCount: 0, remainingCount: 0, isDone: true });
  vault = await vault.reopen((db) => {
    expect(db.prepare("SELECT DISTINCT kms_key_arn FROM data_key").pluck().all()).toEqual([newArn]);
    const events = db.prepare("SELECT actor, details FROM audit WHERE kind = 'data-key.rewrapped'").all();
    expect(events).toHaveLength(4);
    expect(events[0]).toEqual({
      actor: "op",
      details: JSON.stringify({ from_kms_key_arn: vault.kms.keyArn, to_kms_key_arn: newArn }),
    });
  });
  expect(await vault.open("a2", "openai")).toBe("a2-openai");
});

test("a data key that fails is told with its reason, stays as it was, and stops none of the others", async () => {
  vault = await vault.reopen((db) => db.exec("UPDATE data_key SET wrapped = x'00112233' WHERE account = 'a2'"));
  const last = (await run(migrating())).at(-1);
  expect(last).toMatchObject({ rewrappedCount: 3, failedCount: 1, remainingCount: 1, isDone: true });
  expect(last?.failures).toEqual([
    { account: "a2", dataKeyId: "records", dataKeyVersion: 1, reason: "RECORD_CORRUPT" },
  ]);
  expect(await vault.open("a3", "openai")).toBe("a3-openai");
});

test("a blob that opens to other bytes is never stored", async () => {
  const { kms } = vault;
  const { reEncrypt } = kms;
  kms.reEncrypt = async (_source, _wrapped, destination, context) => {
    const other = await kms.generateDataKey(destination, context);
    return { wrapped: other.wrapped, keyArn: other.keyArn };
  };
  expect((await run(migrating())).at(-1)).toMatchObject({ rewrappedCount: 0, failedCount: 4, remainingCount: 4 });
  kms.reEncrypt = reEncrypt;
  vault = await vault.reopen();
  expect(await vault.open("a1", "openai")).toBe("a1-openai");
});

test("a data key that was swapped or destroyed while it was wrapped anew is passed over, not overwritten", async () => {
  const sealer = migrating();
  const slow: Pick<DataKeyLifeCycle, "rewrap"> = {
    async rewrap(key) {
      const mine = await sealer.rewrap(key);
      const theirs = await sealer.rewrap(key);
      const audit = {
        kind: "data-key.rewrapped",
        timeMs: 0,
        caller: "x",
        actor: "",
        account: key.account,
        subject: "",
        details: {},
      } as const;
      await vault.store.vault.swapDataKey(key, theirs, audit);
      return mine;
    },
  };
  expect((await run(slow)).at(-1)).toMatchObject({ rewrappedCount: 0, failedCount: 0, remainingCount: 0 });
  vault = await vault.reopen();
  expect(await vault.open("a1", "openai")).toBe("a1-openai");
});

test("a KMS that does not answer ends it with a refusal after a bounded number of tries", async () => {
  for (let account = 4; account < 16; account += 1) await vault.connect(`b${account}`, "openai", "text");
  vault.kms.failure = "unavailable";
  await expectRefusal(() => run(migrating()), "KMS_UNAVAILABLE");
  expect(vault.kms.calls.reEncrypt).toBeLessThanOrEqual(12);
});

test("it stops when its caller leaves", async () => {
  const abort = new AbortController();
  abort.abort(new Error("left"));
  await expect(run(migrating(), undefined, abort.signal)).rejects.toThrow("left");
  expect(vault.kms.calls.reEncrypt).toBe(0);
});

test("a request id that was used with another payload is refused before anything is done", async () => {
  const requestId = crypto.randomUUID();
  await run(migrating(), { requestId, actor: "op" });
  await run(migrating(), { requestId, actor: "op" });
  await expectRefusal(() => run(migrating(), { requestId, actor: "another" }), "REQUEST_ID_CONFLICT");
  const refusal = await expectRefusal(() => run(migrating(), { requestId: "x", actor: "\n" }), "FIELDS_INVALID");
  expect(refusal.refusal.violations?.map(({ field }) => field)).toEqual(["request_id", "actor"]);
});

test("pages of data keys on both sides of the active KMS key's ARN hold each once", async () => {
  vault = await vault.reopen((db) => {
    const insert = db.prepare(
      "INSERT INTO data_key (account, data_key_id, data_key_version, kms_key_arn, wrapped, create_ms) VALUES (?, 'records', 1, ?, x'00', 0)",
    );
    for (let n = 0; n < 20; n += 1) insert.run(`p${n}`, ["arn:a", "arn:m", "arn:z"][n % 3]);
  });
  const seen: string[] = [];
  const { vault: port } = vault.store;
  let after: Parameters<typeof port.notWrappedBy>[1];
  for (;;) {
    const page = await port.notWrappedBy("arn:m", after, 3);
    seen.push(...page.map(({ account }) => account));
    after = page.at(-1);
    if (after === undefined) break;
  }
  expect(seen.filter((account) => /^p\d/.test(account))).toHaveLength(13);
  expect(new Set(seen).size).toBe(seen.length);
  expect(await port.countNotWrappedBy("arn:m")).toBe(seen.length);
});
