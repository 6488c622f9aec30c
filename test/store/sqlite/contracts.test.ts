import { join } from "node:path";
import type { AuditKind } from "../../../src/audit/event.ts";
import { type Clock, manualClock, systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { openSqlite, type SqliteStore } from "../../../src/store/sqlite/open-sqlite.ts";
import { dataKeyStoreContract } from "../../contract/data-key-store.ts";
import { identityBlockStoreContract } from "../../contract/identity-block-store.ts";
import { keyStoreContract } from "../../contract/key-store.ts";
import { modelListStoreContract } from "../../contract/model-list-store.ts";
import { placementStoreContract } from "../../contract/placement-store.ts";
import { policyStoreContract } from "../../contract/policy-store.ts";
import { revocationLogContract } from "../../contract/revocation-log.ts";
import { vaultStoreContract } from "../../contract/vault-store.ts";
import { item, RECORDER, recordOf } from "../../ledger/fixtures.ts";
import { testMutation } from "../../support/mutation.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

/** A fresh SQLite database with its real writing thread. */
async function open(clock: Clock = systemClock): Promise<{ sqlite: SqliteStore; close(): Promise<void> }> {
  const directory = temporaryDirectory();
  const sqlite = await openSqlite(join(directory.path, "plori.db"), clock, silentLog);
  return {
    sqlite,
    async close() {
      await sqlite.close();
      directory.remove();
    },
  };
}

dataKeyStoreContract("SQLite", async () => {
  const { sqlite, close } = await open();
  return { store: sqlite.dataKeys, close };
});

keyStoreContract("SQLite", async () => {
  const { sqlite, close } = await open();
  return { store: sqlite.keys, directory: sqlite.directory, close };
});

placementStoreContract("SQLite", async () => {
  const { sqlite, close } = await open();
  const items = [item("DISK", 1_000n)];
  await sqlite.ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
  return {
    store: sqlite.placements,
    async owe(account, byteSeconds) {
      const record = recordOf("u1", { kind: "DISK", byteSeconds }, { account, occurMs: systemClock.nowMs() });
      await sqlite.ledger.recordUsage([record], RECORDER, testMutation(account, "usage.recorded"));
    },
    close,
  };
});

policyStoreContract("SQLite", async () => {
  const { sqlite, close } = await open();
  const changes = async (account: string) => {
    const { items } = await sqlite.audit.newest({ account }, undefined, 10);
    return items.map(({ kind, details }) => ({ kind: kind as AuditKind, details: JSON.parse(details) }));
  };
  return { store: sqlite.policies, directory: sqlite.policyDirectory, changes, close };
});

vaultStoreContract("SQLite", async () => {
  const { sqlite, close } = await open();
  const { vault, keys, directory, dataKeys, installation } = sqlite;
  return { vault, keys, directory, dataKeys, installation, close };
});

identityBlockStoreContract("SQLite", async () => {
  const { sqlite, close } = await open();
  return { blocks: sqlite.identityBlocks, placements: sqlite.placements, close };
});

revocationLogContract("SQLite", async () => {
  const clock = manualClock(1_790_000_000_000);
  const { sqlite, close } = await open(clock);
  const { revocations, revocationNews: news, placements, keys, vault, identityBlocks: blocks } = sqlite;
  return { revocations, news, placements, keys, vault, blocks, clock, close };
});

modelListStoreContract("SQLite", async () => {
  const { sqlite, close } = await open();
  const { modelListStore, modelLists, keys, vault } = sqlite;
  return { store: modelListStore, lists: modelLists, keys, vault, close };
});
