import type Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PloriError } from "../../src/base/errors.ts";
import { rotateAccountKey } from "../../src/keyvault/life-cycle/rotate-account-key.ts";
import { sweepVault } from "../../src/keyvault/life-cycle/sweep-vault.ts";
import { expectRefusal } from "../seal/open-test-sealer.ts";
import { ADMIN, openVault, type TestVault } from "../support/vault.ts";

let vault: TestVault;
beforeEach(async () => {
  vault = await openVault();
  await vault.connect("a1", "openai", "a1-openai-1");
  await vault.connect("a1", "groq", "a1-groq-1");
  await vault.connect("a2", "openai", "a2-openai-1");
});
afterEach(() => vault.close());

type Rows = ReadonlyMap<string, Record<string, unknown>[]>;
const TABLES = ["provider_key", "vault_head", "data_key"] as const;

/** Everything that somebody with the database file could have copied. */
function copyOf(db: Database.Database): Rows {
  return new Map(
    TABLES.map((table) => [table, db.prepare(`SELECT * FROM ${table}`).all() as Record<string, unknown>[]]),
  );
}

function putBack(
  db: Database.Database,
  rows: Rows,
  table: (typeof TABLES)[number],
  where: (row: Record<string, unknown>) => boolean,
): void {
  for (const row of (rows.get(table) ?? []).filter(where)) {
    const names = Object.keys(row);
    db.prepare(`INSERT OR REPLACE INTO ${table} (${names.join(",")}) VALUES (${names.map(() => "?").join(",")})`).run(
      ...Object.values(row),
    );
  }
}

async function copyNow(): Promise<Rows> {
  let rows: Rows = new Map();
  vault = await vault.reopen((db) => {
    rows = copyOf(db);
  });
  return rows;
}

const isKey = (account: string, keyId: string) => (row: Record<string, unknown>) =>
  row["account"] === account && row["key_id"] === keyId;

test("an untouched vault opens everything and has no fault, also after a restart", async () => {
  expect(await vault.verify()).toEqual([]);
  vault = await vault.reopen();
  expect(await vault.open("a1", "openai")).toBe("a1-openai-1");
  expect(await vault.verify()).toEqual([]);
});

describe("what somebody does to the database file is refused, alone, and found", () => {
  const SWAPS: readonly (readonly [what: string, tamper: (db: Database.Database) => void, found: readonly string[]])[] =
    [
      [
        "another account's sealed bytes in its place",
        (db) =>
          db.exec(
            "UPDATE provider_key SET sealed = (SELECT sealed FROM provider_key WHERE account = 'a2') WHERE account = 'a1' AND key_id = 'openai'",
          ),
        ["accounts/a1/keys/openai RECORD_CORRUPT"],
      ],
      [
        "another provider's sealed bytes in its place",
        (db) =>
          db.exec(
            "UPDATE provider_key SET sealed = (SELECT sealed FROM provider_key WHERE account = 'a1' AND key_id = 'groq') WHERE account = 'a1' AND key_id = 'openai'",
          ),
        ["accounts/a1/keys/openai RECORD_CORRUPT"],
      ],
      [
        "another version number",
        (db) => db.exec("UPDATE provider_key SET version = 7 WHERE account = 'a1' AND key_id = 'openai'"),
        ["accounts/a1/keys/openai RECORD_CORRUPT"],
      ],
      [
        "another data key version",
        (db) => db.exec("UPDATE provider_key SET data_key_version = 2 WHERE account = 'a1' AND key_id = 'openai'"),
        ["accounts/a1/keys/openai RECORD_CORRUPT"],
      ],
      [
        "the data key of another purpose",
        (db) =>
          db.exec("UPDATE provider_key SET data_key_id = 'fingerprint' WHERE account = 'a1' AND key_id = 'openai'"),
        ["accounts/a1/keys/openai RECORD_CORRUPT"],
      ],
      [
        "one flipped bit",
        (db) => {
          const row = db.prepare("SELECT sealed FROM provider_key WHERE account = 'a1' AND key_id = 'openai'").get();
          const sealed = Buffer.from((row as { sealed: Buffer }).sealed);
          sealed[60] = (sealed[60] ?? 0) ^ 1;
          db.prepare("UPDATE provider_key SET sealed = ? WHERE account = 'a1' AND key_id = 'openai'").run(sealed);
        },
        ["accounts/a1/keys/openai RECORD_CORRUPT"],
      ],
    ];
  test.each(SWAPS)("%s", async (_what, tamper, found) => {
    vault = await vault.reopen(tamper);
    await expectRefusal(() => vault.open("a1", "openai"), "RECORD_CORRUPT");
    expect(await vault.open("a1", "groq")).toBe("a1-groq-1");
    expect(await vault.open("a2", "openai")).toBe("a2-openai-1");
    expect((await vault.keys.list("a1", 10, "")).map(({ keyId }) => keyId)).toEqual(["groq", "openai"]);
    expect(await vault.verify()).toEqual(found);
  });

  test("a row moved to another account", async () => {
    vault = await vault.reopen((db) =>
      db.exec(
        "DELETE FROM provider_key WHERE account = 'a2'; UPDATE provider_key SET account = 'a2' WHERE account = 'a1' AND key_id = 'openai'",
      ),
    );
    await expectRefusal(() => vault.open("a2", "openai"), "RECORD_CORRUPT");
    expect(await vault.open("a1", "groq")).toBe("a1-groq-1");
    expect(await vault.verify()).toEqual(["accounts/a1/keys/openai MISSING", "accounts/a2/keys/openai RECORD_CORRUPT"]);
  });

  test("a provider that does not exist breaks neither the list nor the account's other keys", async () => {
    vault = await vault.reopen((db) =>
      db.exec("UPDATE provider_key SET provider = 'nobody' WHERE key_id = 'openai' AND account = 'a1'"),
    );
    expect((await vault.keys.list("a1", 10, "")).map(({ keyId }) => keyId)).toEqual(["groq"]);
    expect(await vault.open("a1", "groq")).toBe("a1-groq-1");
    expect(await vault.verify()).toEqual(["accounts/a1/keys/openai RECORD_CORRUPT"]);
  });

  test("the wrapped data keys of two accounts exchanged", async () => {
    vault = await vault.reopen((db) => {
      const rows = copyOf(db);
      const blob = (account: string) => rows.get("data_key")?.find((row) => row["account"] === account)?.["wrapped"];
      db.prepare("UPDATE data_key SET wrapped = ? WHERE account = 'a1'").run(blob("a2"));
      db.prepare("UPDATE data_key SET wrapped = ? WHERE account = 'a2'").run(blob("a1"));
    });
    await expectRefusal(() => vault.open("a1", "openai"), "RECORD_CORRUPT");
    await expectRefusal(() => vault.open("a2", "openai"), "RECORD_CORRUPT");
  });

  test("an older version put back, although it is sealed well", async () => {
    const before = await copyNow();
    await vault.connect("a1", "openai", "a1-openai-2");
    vault = await vault.reopen((db) => putBack(db, before, "provider_key", isKey("a1", "openai")));
    await expectRefusal(() => vault.open("a1", "openai"), "RECORD_CORRUPT");
    expect(vault.reported).toMatchObject([
      {
        kind: "record.refused",
        account: "a1",
        subject: "accounts/a1/keys/openai",
        details: { fault: "ROLLED_BACK", version: "1" },
      },
    ]);
    expect(await vault.open("a1", "groq")).toBe("a1-groq-1");
    expect(await vault.verify()).toEqual(["accounts/a1/keys/openai ROLLED_BACK"]);
    await vault.connect("a1", "openai", "a1-openai-3");
    expect(await vault.open("a1", "openai")).toBe("a1-openai-3");
    expect(await vault.verify()).toEqual([]);
  });

  test("an older version put back together with the head of its time", async () => {
    const before = await copyNow();
    await vault.connect("a1", "openai", "a1-openai-2");
    vault = await vault.reopen((db) => {
      putBack(db, before, "provider_key", isKey("a1", "openai"));
      putBack(db, before, "vault_head", (row) => row["account"] === "a1");
    });
    await expectRefusal(() => vault.open("a1", "openai"), "RECORD_CORRUPT");
    expect(await vault.verify()).toEqual(["accounts/a1 HEAD_ROLLED_BACK"]);
    expect(await vault.open("a2", "openai")).toBe("a2-openai-1");
  });

  test("the same version as it was sealed under the data key before a rotation", async () => {
    const before = await copyNow();
    await rotateAccountKey(vault.deps, { account: "a1", requestId: "", actor: "" }, ADMIN);
    vault = await vault.reopen((db) => putBack(db, before, "provider_key", isKey("a1", "openai")));
    await expectRefusal(() => vault.open("a1", "openai"), "RECORD_CORRUPT");
    expect(await vault.open("a1", "groq")).toBe("a1-groq-1");
    expect(await vault.verify()).toEqual(["accounts/a1/keys/openai ROLLED_BACK"]);
  });

  test("a deleted row is missed, and the others serve", async () => {
    vault = await vault.reopen((db) => db.exec("DELETE FROM provider_key WHERE account = 'a1' AND key_id = 'openai'"));
    expect(await vault.open("a1", "groq")).toBe("a1-groq-1");
    expect(await vault.verify()).toEqual(["accounts/a1/keys/openai MISSING"]);
  });

  test.each([
    [
      "an altered entry",
      "UPDATE vault_head SET entries = replace(entries, 'groq', 'grok') WHERE account = 'a1'",
      "HEAD_CORRUPT",
    ],
    ["entries that are no list", "UPDATE vault_head SET entries = '{' WHERE account = 'a1'", "HEAD_CORRUPT"],
    ["entries of no shape", "UPDATE vault_head SET entries = '[null,3]' WHERE account = 'a1'", "HEAD_CORRUPT"],
    ["a later epoch", "UPDATE vault_head SET epoch = epoch + 1 WHERE account = 'a1'", "HEAD_CORRUPT"],
    [
      "another account's head",
      "UPDATE vault_head SET mac = (SELECT mac FROM vault_head WHERE account = 'a2'), entries = (SELECT entries FROM vault_head WHERE account = 'a2') WHERE account = 'a1'",
      "HEAD_CORRUPT",
    ],
    ["no head", "DELETE FROM vault_head WHERE account = 'a1'", "HEAD_ROLLED_BACK"],
  ])(
    "a head with %s vouches for nothing, until a new key is connected, which then serves alone",
    async (_what, sql, fault) => {
      vault = await vault.reopen((db) => db.exec(sql));
      await expectRefusal(() => vault.open("a1", "openai"), "RECORD_CORRUPT");
      await expectRefusal(() => vault.open("a1", "groq"), "RECORD_CORRUPT");
      expect(await vault.open("a2", "openai")).toBe("a2-openai-1");
      expect(await vault.verify()).toEqual([`accounts/a1 ${fault}`]);
      await vault.connect("a1", "openai", "a1-openai-2");
      expect(await vault.open("a1", "openai")).toBe("a1-openai-2");
      await expectRefusal(() => vault.open("a1", "groq"), "RECORD_CORRUPT");
      expect(await vault.verify()).toEqual(["accounts/a1/keys/groq ROLLED_BACK"]);
    },
  );
});

describe("a removed key", () => {
  test("stays removed when its row is put back", async () => {
    const before = await copyNow();
    await vault.remove("a1", "openai");
    vault = await vault.reopen((db) => putBack(db, before, "provider_key", isKey("a1", "openai")));
    await expectRefusal(() => vault.open("a1", "openai"), "RECORD_CORRUPT");
    expect(await vault.open("a1", "groq")).toBe("a1-groq-1");
  });

  test("stays removed when its row and the head of its time are put back, once the removal was taken into the head", async () => {
    const before = await copyNow();
    await vault.remove("a1", "openai");
    await vault.heads.fold("a1");
    vault = await vault.reopen((db) => {
      putBack(db, before, "provider_key", isKey("a1", "openai"));
      putBack(db, before, "vault_head", (row) => row["account"] === "a1");
    });
    await expectRefusal(() => vault.open("a1", "openai"), "RECORD_CORRUPT");
    expect(await vault.verify()).toEqual(["accounts/a1 HEAD_ROLLED_BACK"]);
  });

  test("is removed while KMS is away, and taken into the head by the sweep of a later start", async () => {
    vault = await vault.reopen();
    vault.kms.failure = "unavailable";
    await vault.remove("a1", "openai");
    expect(await vault.open("a1", "openai")).toBeUndefined();
    vault = await vault.reopen();
    vault.kms.failure = undefined;
    expect((await vault.store.vault.headState("a1")).removed).toEqual([{ keyId: "openai", version: 1 }]);
    expect(await vault.verify()).toEqual([]);
    await sweepVault(vault.deps, new AbortController().signal);
    const { head, removed } = await vault.store.vault.headState("a1");
    expect({ removed, entries: head?.entries.map(({ keyId }) => keyId) }).toEqual({ removed: [], entries: ["groq"] });
    expect(await vault.open("a1", "groq")).toBe("a1-groq-1");
  });
});

test("keys that come and go at once leave a head that vouches for exactly what is there", async () => {
  const texts = Array.from({ length: 12 }, (_none, index) => `a3-${index}`);
  const outcomes = await Promise.allSettled([
    ...texts.map((text, index) => vault.connect("a3", index % 2 === 0 ? "openai" : "xai", text)),
    rotateAccountKey(vault.deps, { account: "a1", requestId: "", actor: "" }, ADMIN),
    vault.connect("a1", "xai", "a1-xai-1"),
    vault.remove("a1", "groq"),
  ]);
  for (const outcome of outcomes)
    if (outcome.status === "rejected") expect((outcome.reason as PloriError).reason).toBe("ETAG_MISMATCH");
  await sweepVault(vault.deps, new AbortController().signal);
  expect(await vault.verify()).toEqual([]);
  expect(await vault.open("a1", "openai")).toBe("a1-openai-1");
  expect(await vault.open("a1", "xai")).toBe("a1-xai-1");
  expect(await vault.open("a1", "groq")).toBeUndefined();
  expect(texts).toContain(await vault.open("a3", "openai"));
  expect(await vault.store.vault.accountsInRotation("", 10)).toEqual([]);
});

test("a key that was replaced between being read and being opened is no corruption: ask again", async () => {
  const [stale] = await vault.store.directory.keysOf("a2");
  await vault.connect("a2", "openai", "a2-openai-2");
  if (stale === undefined) throw new Error("unreachable");
  await expectRefusal(() => vault.heads.check(stale), "ETAG_MISMATCH");
  expect(vault.reported).toEqual([]);
});

test("a warm account opens without a look at its head or at KMS", async () => {
  await vault.open("a1", "openai");
  vault.kms.failure = "unavailable";
  const { headState } = vault.store.vault;
  let looks = 0;
  vault.store.vault.headState = (account) => {
    looks += 1;
    return headState(account);
  };
  expect(await vault.open("a1", "openai")).toBe("a1-openai-1");
  expect(looks).toBe(0);
});

test("a thousand callers of one cold account make one KMS call", async () => {
  vault = await vault.reopen();
  const before = vault.kms.calls.decrypt;
  const texts = await Promise.all(Array.from({ length: 1_000 }, () => vault.open("a1", "openai")));
  expect(new Set(texts)).toEqual(new Set(["a1-openai-1"]));
  expect(vault.kms.calls.decrypt - before).toBe(1);
});

test("verifying leaves the cache of data keys that serves as it is", async () => {
  vault = await vault.reopen();
  await vault.open("a1", "openai");
  expect(vault.sealer.stats().dataKeys).toBe(1);
  expect(await vault.verify()).toEqual([]);
  expect(vault.sealer.stats().dataKeys).toBe(1);
});

test("what KMS does not answer is told as not checked, and verifying goes on to the end", async () => {
  vault = await vault.reopen();
  vault.kms.failure = "unavailable";
  const found = await vault.verify();
  expect(found).toContain("accounts/a1/keys/openai NOT_CHECKED");
  expect(found).toContain("accounts/a2/keys/openai NOT_CHECKED");
});

test("the audit is searched by its own index for an account's last head", async () => {
  vault = await vault.reopen((db) => {
    const plan = db
      .prepare(
        "EXPLAIN QUERY PLAN SELECT kind, details FROM audit WHERE account = ? " +
          "AND kind IN ('key.connected', 'account.key-resealed', 'account.head-renewed', 'account.shredded') ORDER BY seq DESC LIMIT 1",
      )
      .all("a1");
    expect(JSON.stringify(plan)).toContain("audit_by_head");
  });
});
