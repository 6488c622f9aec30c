import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { AuditPruner, AuditReader, CheckpointStore, ReleaseHistory, SigningKeyStore } from "../../audit/ports.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ConnectStore } from "../../keyvault/connect-ports.ts";
import type { InstallationStore } from "../../keyvault/installation.ts";
import type { ModelListStore } from "../../keyvault/model-list-ports.ts";
import type { KeyStore } from "../../keyvault/ports.ts";
import type { VaultStore } from "../../keyvault/vault-ports.ts";
import type { AccountEventLog, AccountEventNews } from "../../ledger/account-event-ports.ts";
import type { LedgerStore } from "../../ledger/ports.ts";
import type { IdentityBlockStore } from "../../router/identity-block-ports.ts";
import type {
  KeyDirectory,
  ModelLists,
  PlacementStore,
  PolicyDirectory,
  PolicyStore,
  ReleaseLog,
  RouteLog,
} from "../../router/ports.ts";
import type { RevocationLog, RevocationNews } from "../../router/revocation-ports.ts";
import type { DataKeyStore } from "../../seal/ports.ts";
import { createAccountEventStore } from "./account-event-store.ts";
import { createAuditStore } from "./audit-store.ts";
import { createConnectStore } from "./connect-store.ts";
import { createDataKeyStore } from "./data-key-store.ts";
import { createIdentityBlockStore } from "./identity-block-store.ts";
import { createInstallationStore } from "./installation-store.ts";
import { createKeyStore } from "./key-store.ts";
import { KeyUses } from "./key-uses.ts";
import { createLedgerStore } from "./ledger-store.ts";
import { createModelListStore } from "./model-list-store.ts";
import { openReader } from "./open-database.ts";
import { createPlacementStore } from "./placement-store.ts";
import { createPolicyStore } from "./policy-store.ts";
import { lockDatabase } from "./process-lock.ts";
import { recoverKeyUses } from "./recover-key-uses.ts";
import { createReleaseHistory } from "./release-history.ts";
import { createDenialLog, createReleaseLog, type DenialLog } from "./release-log.ts";
import { createRevocationStore } from "./revocation-store.ts";
import { createRouteLog } from "./route-log.ts";
import { createVaultStore } from "./vault-store.ts";
import { startWriter, type Writer } from "./writer.ts";

/** How often the times of last use are written down, in milliseconds. */
const KEY_USES_FLUSH_MS = 10_000;
/** Times of last use written in one command. */
const KEY_USES_BATCH_MAX = 500;

/** Every port on one SQLite database. */
export interface SqliteStore {
  readonly dataKeys: DataKeyStore;
  readonly keys: KeyStore;
  readonly directory: KeyDirectory;
  readonly modelListStore: ModelListStore;
  readonly modelLists: ModelLists;
  readonly connects: ConnectStore;
  readonly vault: VaultStore;
  readonly installation: InstallationStore;
  readonly placements: PlacementStore;
  readonly policies: PolicyStore;
  readonly policyDirectory: PolicyDirectory;
  readonly releases: ReleaseLog;
  readonly routes: RouteLog;
  readonly ledger: LedgerStore;
  readonly accountEvents: AccountEventLog;
  readonly accountEventNews: AccountEventNews;
  readonly denials: DenialLog;
  readonly audit: AuditReader & CheckpointStore & SigningKeyStore & AuditPruner;
  readonly releaseHistory: ReleaseHistory;
  readonly identityBlocks: IdentityBlockStore;
  readonly revocations: RevocationLog;
  readonly revocationNews: RevocationNews;
  readonly writer: Writer;
  /** Makes everything that was submitted durable, then closes the database and gives up the lock. */
  close(): Promise<void>;
}

/**
 * Opens, or makes, the database at `path`. `creditsLowNano` is the line below which an account's credits count as low, in nano-credits. Throws when another
 * process has it, or when a newer version of the service changed it.
 */
export async function openSqlite(path: string, clock: Clock, log: Log, creditsLowNano = 0n): Promise<SqliteStore> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const lock = lockDatabase(path);
  try {
    const writer = await startWriter(path, clock, log, creditsLowNano);
    const reader = openReader(path);
    const uses = new KeyUses();
    // Twice the interval: a write that was under way when the process ended counts as not written.
    recoverKeyUses(reader, uses, 2 * KEY_USES_FLUSH_MS);
    const denials = createDenialLog(writer, log);
    const { placements, forgetPlacements } = createPlacementStore(reader, writer);
    const lists = createModelListStore(reader, writer);
    const { keyStore, directory, forget } = createKeyStore(reader, writer, uses, lists.forget);

    async function flushUses(): Promise<void> {
      for (let batch = uses.take(KEY_USES_BATCH_MAX); batch.length > 0; batch = uses.take(KEY_USES_BATCH_MAX)) {
        await writer.submit("noteKeysUsed", batch);
      }
    }
    const flushing = setInterval(() => {
      flushUses().catch((error: unknown) => log.warn("times of last use were not written down", { err: error }));
    }, KEY_USES_FLUSH_MS);
    flushing.unref();

    return {
      dataKeys: createDataKeyStore(reader, writer),
      keys: keyStore,
      directory,
      modelListStore: lists.modelListStore,
      modelLists: lists.modelLists,
      connects: createConnectStore(reader, writer),
      installation: createInstallationStore(reader, writer),
      vault: createVaultStore(reader, writer, forget),
      placements,
      identityBlocks: createIdentityBlockStore(reader, writer, forgetPlacements),
      ...createPolicyStore(reader, writer),
      ledger: createLedgerStore(path, reader, writer, clock),
      ...createAccountEventStore(reader, writer),
      releases: createReleaseLog(writer, uses, denials),
      routes: createRouteLog(reader),
      denials,
      audit: createAuditStore(reader, writer),
      releaseHistory: createReleaseHistory(reader),
      ...createRevocationStore(reader, writer),
      writer,
      async close() {
        clearInterval(flushing);
        await flushUses().catch((error: unknown) =>
          log.warn("times of last use were not written down", { err: error }),
        );
        await writer.close();
        reader.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}
