import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Caller } from "../../src/identity/roles.ts";
import {
  type BeginOpenRouterConnectInput,
  beginOpenRouterConnect,
} from "../../src/keyvault/begin-openrouter-connect.ts";
import {
  type CompleteOpenRouterConnectDeps,
  type CompleteOpenRouterConnectInput,
  completeOpenRouterConnect,
} from "../../src/keyvault/complete-openrouter-connect.ts";
import { createCredentialOpener } from "../../src/keyvault/open-credential.ts";
import { createProbeBudget } from "../../src/keyvault/probe-budget.ts";
import { type CodeExchanger, createCodeExchanger } from "../../src/providers/exchange-code.ts";
import { createProber } from "../../src/providers/prober.ts";
import { openReader } from "../../src/store/sqlite/open-database.ts";
import { openSqlite, type SqliteStore } from "../../src/store/sqlite/open-sqlite.ts";
import { openTestSealer, START_MS } from "../seal/open-test-sealer.ts";
import { approve } from "../simulators/consent.ts";
import type { ProviderSimulator } from "../simulators/simulator.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** Where the user is to come back to, with a query of the caller's own. */
export const CALLBACK = "https://app.example/settings/callback?tab=keys%20mine";

const SETTINGS: Caller = { spiffeId: "spiffe://dev.plori.internal/settings/dev", role: "settings", name: "dev" };

/** An audit record, with its details as they are stored. */
export interface AuditRow {
  readonly kind: string;
  readonly caller: string;
  readonly actor: string;
  readonly account: string;
  readonly subject: string;
  readonly details: string;
}

/** A vault over a real database, a KMS in memory and the simulated OpenRouter. */
export type OneClickVault = Awaited<ReturnType<typeof openOneClickVault>>;

/** Opens one in a directory of its own. `restart` opens all of it anew over what is stored. */
export async function openOneClickVault(openRouter: ProviderSimulator) {
  const directory = temporaryDirectory();
  const clock = manualClock(START_MS);
  let sqlite: SqliteStore = await openSqlite(join(directory.path, "plori.db"), clock, silentLog);
  const first = openTestSealer({ clock, store: sqlite.dataKeys });
  let { sealer } = first;
  const exchanger: CodeExchanger = createCodeExchanger({ overrideOrigin: openRouter.origin, clock });
  const exchanged = openRouter.consent.exchanges;
  const deps = () => ({
    connects: sqlite.connects,
    keys: sqlite.keys,
    sealer,
    clock,
    exchanger,
    prober: createProber({ urls: { openrouter: openRouter.origin }, clock }),
    probeBudget: createProbeBudget(clock),
    callbackOrigins: ["https://app.example"],
    openRouterOrigin: openRouter.origin,
  });
  const vault = {
    clock,
    kms: first.kms,
    deps,
    /** How many exchanges left this vault. */
    exchanges: () => openRouter.consent.exchanges - exchanged,
    begin: (input: Partial<BeginOpenRouterConnectInput> = {}) =>
      beginOpenRouterConnect(
        deps(),
        { account: "acct-1", callbackUrl: CALLBACK, requestId: "", actor: "user-1", ...input },
        SETTINGS,
      ),
    complete: (
      input: Partial<CompleteOpenRouterConnectInput> & { readonly code: string; readonly connectId: string },
      changes: Partial<CompleteOpenRouterConnectDeps> = {},
      signal?: AbortSignal,
    ) =>
      completeOpenRouterConnect(
        { ...deps(), ...changes },
        { account: "acct-1", requestId: "", actor: "user-1", ...input },
        SETTINGS,
        signal,
      ),
    /** Begins, and has the user approve. */
    async approved(account = "acct-1") {
      return approve((await vault.begin({ account })).authorizationUrl);
    },
    find: (connectId: string, account = "acct-1") => sqlite.connects.find(account, connectId),
    key: (account = "acct-1") => sqlite.keys.find(account, "openrouter"),
    async credential(account = "acct-1"): Promise<string | undefined> {
      const [key] = await sqlite.directory.keysOf(account);
      return key === undefined
        ? undefined
        : (await createCredentialOpener(sealer).open(key)).reveal().toString("latin1");
    },
    sweep: () => sqlite.connects.sweep(),
    async restart() {
      await sqlite.close();
      sqlite = await openSqlite(join(directory.path, "plori.db"), clock, silentLog);
      sealer = first.another({ store: sqlite.dataKeys });
    },
    /** The audit so far. */
    audit(): readonly AuditRow[] {
      const db = openReader(join(directory.path, "plori.db"));
      const rows = db.prepare("SELECT kind, caller, actor, account, subject, details FROM audit ORDER BY seq").all();
      db.close();
      return rows as AuditRow[];
    },
    /** Everything on the disk, as one buffer. */
    disk: () =>
      Buffer.concat(
        readdirSync(directory.path)
          .filter((name) => name.startsWith("plori.db"))
          .map((name) => readFileSync(join(directory.path, name))),
      ),
    async close() {
      await sqlite.close();
      directory.remove();
    },
  };
  return vault;
}
