import { afterEach, beforeEach, expect, test } from "vitest";
import { rotateAccountKey } from "../../src/keyvault/life-cycle/rotate-account-key.ts";
import { sweepVault } from "../../src/keyvault/life-cycle/sweep-vault.ts";
import { SEALS_PER_DATA_KEY_MAX } from "../../src/seal/limits.ts";
import { ADMIN, openVault, type TestVault } from "../support/vault.ts";

let vault: TestVault;
beforeEach(async () => {
  vault = await openVault();
});
afterEach(() => vault.close());

const sweep = () => sweepVault(vault.deps, new AbortController().signal);
const newestOf = async (account: string) => (await vault.store.dataKeys.newest(account, "records"))?.dataKeyVersion;

/** The account's newest data key has sealed so many records already. */
async function setCount(account: string, count: number): Promise<void> {
  vault = await vault.reopen((db) => {
    db.prepare("UPDATE data_key SET seal_count = ? WHERE account = ? AND data_key_id = 'records'").run(count, account);
  });
}

test("a data key that has sealed 2^32 stored records is rotated once, by the service itself, and the account's keys are sealed anew", async () => {
  for (const account of ["a1", "a2"]) await vault.connect(account, "openai", `${account}-openai-1`);
  await setCount("a1", SEALS_PER_DATA_KEY_MAX - 1);
  await sweep();
  expect(await newestOf("a1")).toBe(1);
  await vault.connect("a1", "groq", "a1-groq-1");
  expect(await vault.store.vault.accountsToRotate("", 10)).toEqual(["a1"]);
  await sweep();
  await sweep();
  expect([await newestOf("a1"), await newestOf("a2")]).toEqual([2, 1]);
  expect(await vault.store.vault.accountsToRotate("", 10)).toEqual([]);
  const rows = await vault.store.vault.rowsOf("a1");
  expect(rows.map(({ sealed }) => sealed.dataKeyVersion)).toEqual([2, 2]);
  expect([await vault.open("a1", "openai"), await vault.open("a1", "groq")]).toEqual(["a1-openai-1", "a1-groq-1"]);
  expect(await vault.verify()).toEqual([]);
  vault = await vault.reopen((db) => {
    const counts = db.prepare(
      "SELECT data_key_version AS v, seal_count AS n FROM data_key WHERE account = 'a1' ORDER BY v",
    );
    expect(counts.all()).toEqual([
      { v: 1, n: SEALS_PER_DATA_KEY_MAX },
      { v: 2, n: 2 },
    ]);
    const rotations = db.prepare("SELECT caller FROM audit WHERE kind = 'account.key-rotated'").pluck();
    expect(rotations.all()).toEqual(["service"]);
  });
});

test("a rotation begins to count anew, and each record that is sealed anew counts", async () => {
  await vault.connect("a1", "openai", "one");
  await vault.connect("a1", "openai", "two");
  await vault.connect("a1", "groq", "three");
  expect(await vault.store.vault.mostSeals()).toBe(3);
  await rotateAccountKey(vault.deps, { account: "a1", requestId: "", actor: "" }, ADMIN);
  vault = await vault.reopen((db) => {
    const counts = db.prepare("SELECT seal_count FROM data_key WHERE account = 'a1' ORDER BY data_key_version").pluck();
    expect(counts.all()).toEqual([3, 2]);
  });
});

test("looking for data keys that have sealed enough costs nothing where there are none", async () => {
  vault = await vault.reopen((db) => {
    const plan = db.prepare(
      `EXPLAIN QUERY PLAN SELECT DISTINCT account FROM data_key AS d WHERE seal_count >= ${SEALS_PER_DATA_KEY_MAX} AND account > 'a'`,
    );
    expect(JSON.stringify(plan.all())).toContain("data_key_worn");
  });
});
