import { join } from "node:path";
import Database from "better-sqlite3";
import type { AuditEvent } from "../../src/audit/event.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Provider } from "../../src/base/provider.ts";
import { Secret } from "../../src/base/secret.ts";
import type { Caller } from "../../src/identity/roles.ts";
import { deleteKey } from "../../src/keyvault/delete-key.ts";
import { checkedOpener } from "../../src/keyvault/heads/checked-opener.ts";
import { createHeadKeeper } from "../../src/keyvault/heads/head-keeper.ts";
import { withHeads } from "../../src/keyvault/heads/key-store-with-heads.ts";
import { verifyVault } from "../../src/keyvault/life-cycle/verify-vault.ts";
import { createCredentialOpener } from "../../src/keyvault/open-credential.ts";
import { storeNewKey } from "../../src/keyvault/store-new-key.ts";
import { createSealer } from "../../src/seal/create-sealer.ts";
import { openSqlite } from "../../src/store/sqlite/open-sqlite.ts";
import { createMemoryKms, type MemoryKms } from "../seal/memory-kms.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** An admin, for verbs that are called without doors. */
export const ADMIN: Caller = { spiffeId: "spiffe://td.example/admin/one", role: "admin", name: "one" };

/** A vault as the service wires it, on a real SQLite file and a memory KMS. `reopen` is a restart over the same file. */
export async function openVault(directory = temporaryDirectory(), kms: MemoryKms = createMemoryKms()) {
  const path = join(directory.path, "plori.db");
  const store = await openSqlite(path, systemClock, silentLog);
  const sealer = createSealer({
    kms,
    store: store.dataKeys,
    environment: "test",
    activeKmsKeyId: kms.keyArn,
    clock: systemClock,
    every: () => () => {},
  });
  const reported: AuditEvent[] = [];
  const heads = createHeadKeeper({
    macs: sealer,
    vault: store.vault,
    clock: systemClock,
    report: (event) => void reported.push(event),
  });
  const keys = withHeads(store.keys, heads, silentLog);
  const opener = checkedOpener(createCredentialOpener(sealer), heads);
  const deps = {
    vault: store.vault,
    heads,
    sealer,
    dataKeys: store.dataKeys,
    lifeCycle: sealer,
    clock: systemClock,
    log: silentLog,
  };

  return {
    kms,
    store,
    sealer,
    heads,
    keys,
    deps,
    /** What was refused, for the audit. */
    reported,
    /** Stores a key as ConnectKey does. */
    async connect(account: string, provider: Provider, text: string): Promise<void> {
      using secret = Secret.fromText(text);
      await storeNewKey(
        { keys, sealer, clock: systemClock },
        {
          account,
          provider,
          source: "PASTED",
          secret,
          standing: { state: "ACTIVE", stateReason: "" },
          caller: ADMIN.spiffeId,
          actor: "",
          request: undefined,
        },
      );
    },
    /** Removes a key as DeleteKey does. */
    async remove(account: string, provider: Provider): Promise<void> {
      await deleteKey({ keys, clock: systemClock }, { account, provider, etag: "", requestId: "", actor: "" }, ADMIN);
    },
    /** The text of the account's key as the router would release it; undefined when there is no such key. */
    async open(account: string, provider: Provider): Promise<string | undefined> {
      const key = (await store.directory.keysOf(account)).find((routable) => routable.provider === provider);
      if (key === undefined) return undefined;
      using secret = opener.openWarm(key) ?? (await opener.open(key));
      return secret.reveal().toString("utf8");
    },
    /** What VerifyVault finds, as "name FAULT". */
    async verify(): Promise<readonly string[]> {
      const found: string[] = [];
      const progress = verifyVault({ ...deps, dataKeys: sealer }, { actor: "" }, ADMIN, new AbortController().signal);
      for await (const { faults } of progress) found.push(...faults.map(({ name, fault }) => `${name} ${fault}`));
      return found.sort();
    },
    async close(): Promise<void> {
      sealer.close();
      await store.close();
      directory.remove();
    },
    /** Ends this one, does something to the file, and opens it again. */
    async reopen(tamper: (db: Database.Database) => void = () => {}) {
      sealer.close();
      await store.close();
      const db = new Database(path);
      tamper(db);
      db.close();
      return await openVault(directory, kms);
    },
  };
}

/** An open vault. */
export type TestVault = Awaited<ReturnType<typeof openVault>>;
