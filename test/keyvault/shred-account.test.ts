import { afterEach, beforeEach, expect, test } from "vitest";
import { evictDataKeys } from "../../src/keyvault/life-cycle/evict-data-keys.ts";
import { rotateAccountKey } from "../../src/keyvault/life-cycle/rotate-account-key.ts";
import { shredAccount } from "../../src/keyvault/life-cycle/shred-account.ts";
import { expectRefusal } from "../seal/open-test-sealer.ts";
import { ADMIN, openVault, type TestVault } from "../support/vault.ts";

let vault: TestVault;
beforeEach(async () => {
  vault = await openVault();
  await vault.connect("a1", "openai", "a1-openai-1");
});
afterEach(() => vault.close());

const BLANK = { account: "a1", etag: "", confirmation: "", validateOnly: false, requestId: "", actor: "" };

async function etagNow(account = "a1"): Promise<string> {
  return (await shredAccount(vault.deps, { ...BLANK, account, validateOnly: true }, ADMIN)).etag;
}

function shred(etag: string, more: Partial<typeof BLANK> = {}) {
  return shredAccount(vault.deps, { ...BLANK, etag, confirmation: "shred a1", ...more }, ADMIN);
}

test("every wrong field is named at once", async () => {
  const input = { ...BLANK, account: "a b", etag: "", confirmation: "yes", requestId: "1", actor: "\u0007" };
  const refusal = await expectRefusal(() => shredAccount(vault.deps, input, ADMIN), "FIELDS_INVALID");
  expect(refusal.refusal.violations?.map(({ field }) => field)).toEqual([
    "account",
    "etag",
    "confirmation",
    "request_id",
    "actor",
  ]);
});

test("whatever comes or goes changes the etag, so that nobody destroys what they have not seen", async () => {
  const etags = [await etagNow()];
  await vault.connect("a1", "groq", "a1-groq-1");
  etags.push(await etagNow());
  await rotateAccountKey(vault.deps, { account: "a1", requestId: "", actor: "" }, ADMIN);
  etags.push(await etagNow());
  vault.kms.failure = "unavailable";
  await vault.remove("a1", "groq");
  etags.push(await etagNow());
  vault.kms.failure = undefined;
  expect(new Set(etags).size).toBe(4);
  for (const stale of etags.slice(0, 3)) await expectRefusal(() => shred(stale), "ETAG_MISMATCH");
  expect(await vault.open("a1", "openai")).toBe("a1-openai-1");
  await shred(await etagNow());
});

test("it needs no KMS, and a key that is connected at the same moment is destroyed or sealed under a higher data key", async () => {
  const etag = await etagNow();
  const [shredded, connected] = await Promise.allSettled([shred(etag), vault.connect("a1", "openai", "a1-openai-2")]);
  if (shredded.status === "rejected") expect(shredded.reason).toMatchObject({ reason: "ETAG_MISMATCH" });
  if (connected.status === "rejected") expect(connected.reason).toMatchObject({ reason: "ETAG_MISMATCH" });
  vault = await vault.reopen();
  expect([undefined, "a1-openai-1", "a1-openai-2"]).toContain(await vault.open("a1", "openai"));
  expect(await vault.verify()).toEqual([]);
  vault.kms.failure = "unavailable";
  if ((await vault.store.vault.describeAccount("a1")) !== undefined) await shred(await etagNow());
  expect(await vault.open("a1", "openai")).toBeUndefined();
});

test("what was destroyed is not there again under the same request id, and another payload is refused", async () => {
  const etag = await etagNow();
  const requestId = crypto.randomUUID();
  const first = await shred(etag, { requestId });
  await vault.connect("a1", "openai", "a1-openai-2");
  expect(await shred(etag, { requestId })).toEqual(first);
  expect(await vault.open("a1", "openai")).toBe("a1-openai-2");
  await expectRefusal(() => shred("another", { requestId }), "REQUEST_ID_CONFLICT");
});

test("a data key version that was destroyed is never stored again", async () => {
  const stored = await vault.store.dataKeys.newest("a1", "records");
  await shred(await etagNow());
  if (stored === undefined) throw new Error("unreachable");
  await expectRefusal(() => vault.store.dataKeys.insert(stored), "ETAG_MISMATCH");
  expect(await vault.store.dataKeys.lastVersion("a1", "records")).toBe(1);
});

test("forgetting data keys is on record, and its fields are checked", async () => {
  await vault.open("a1", "openai");
  await evictDataKeys(vault.deps, { account: "", requestId: "", actor: "op" }, ADMIN);
  expect(vault.sealer.stats().dataKeys).toBe(0);
  await expectRefusal(
    () => evictDataKeys(vault.deps, { account: "a b", requestId: "", actor: "" }, ADMIN),
    "FIELDS_INVALID",
  );
});
