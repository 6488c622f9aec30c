import { mkdir } from "node:fs/promises";
import { createClosers } from "./app/closers.ts";
import { firstAnswer } from "./app/first-answer.ts";
import type { Ground } from "./app/ground.ts";
import { openLeases } from "./app/leases.ts";
import { openModelLists } from "./app/model-lists.ts";
import { openAllDoors } from "./app/open-all-doors.ts";
import { openLedger } from "./app/open-ledger.ts";
import { openRouter } from "./app/open-router.ts";
import { openSealing } from "./app/open-sealing.ts";
import { openVault } from "./app/open-vault.ts";
import { openRouting } from "./app/routing.ts";
import { createServiceMetrics } from "./app/service-metrics.ts";
import { bearFullDisk, makeRoomToOpen, watchStorage } from "./app/storage.ts";
import { type Clock, systemClock } from "./base/clock.ts";
import { createIdMinter } from "./base/ids.ts";
import { createLog, type Log } from "./base/log.ts";
import type { Config } from "./config.ts";
import type { Doors } from "./doors/open-doors.ts";
import { createKeyVaultHandlers } from "./doors/rpc/key-vault-handlers.ts";
import { createLedgerHandlers } from "./doors/rpc/ledger-handlers.ts";
import { createRouterHandlers } from "./doors/rpc/router-handlers.ts";
import { openSqlite } from "./store/sqlite/open-sqlite.ts";

/** The running service. */
export interface App {
  readonly grpcPort: number;
  readonly connectPort: number;
  readonly opsPort: number;
  /** Rejects when the service can no longer keep its promises: a KMS key that may not be used, a disk that lied. The process should stop with a failure. */
  readonly broken: Promise<never>;
  /** Reads the TLS files again. */
  reload(): Promise<boolean>;
  /** Refuses new calls, lets those in flight finish, makes everything acknowledged durable, and closes every floor. */
  stop(): Promise<void>;
}

/** Parts that tests put in place of the real ones. */
export interface AppOverrides {
  readonly clock?: Clock;
  readonly log?: Log;
}

/** Opens the floors in order; what was opened is closed in reverse when a later one fails, and by `stop`. */
export async function openApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  const clock = overrides.clock ?? systemClock;
  const log = overrides.log ?? createLog(config.logLevel);
  const ground = { config, clock, log, closers: createClosers() };
  try {
    return await openFloors(ground);
  } catch (error) {
    await ground.closers.closeAll();
    throw error;
  }
}

async function openFloors(ground: Ground): Promise<App> {
  const { config, clock, log, closers } = ground;
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  await makeRoomToOpen(config, log);
  const store = await openSqlite(config.databasePath, clock, log, config.credits.lowNano);
  closers.add(() => store.close());
  const sealing = await openSealing(ground, store);
  const vault = openVault(ground, store, sealing);
  openModelLists(ground, store, vault);
  const mintId = createIdMinter(clock);
  const leases = await openLeases(ground, store);
  const routing = openRouting(ground, store);
  const router = openRouter(ground, store, vault, { ...leases.deps, ...routing.deps }, mintId);
  const ledger = await openLedger(ground, store, mintId);
  const handlers = {
    keyVault: createKeyVaultHandlers(vault.deps),
    router: createRouterHandlers(router),
    ledger: createLedgerHandlers(ledger),
  };
  const metrics = createServiceMetrics({ store, sealing, vault, leases });
  closers.add(watchStorage({ config, writer: store.writer, metrics, log }));
  await firstAnswer(sealing.kmsWatch);
  const doors = await openAllDoors(ground, { store, sealing, leases }, routing.limitHosts(handlers), metrics);
  closers.add(() => doors.close());
  await store.writer.submit("appendAudit", [serviceStarted(config, clock)]).catch(bearFullDisk);
  log.info("serving", {
    environment: config.environment,
    grpc: doors.grpcPort,
    connect: doors.connectPort,
    ops: doors.opsPort,
  });
  const broken = Promise.race([store.writer.broken, sealing.kmsWatch.wrongKey]);
  broken.catch(() => {});
  return asApp(doors, broken, config.drainMs, () => closers.closeAll());
}

function asApp(doors: Doors, broken: Promise<never>, drainMs: number, closeAll: () => Promise<void>): App {
  let stopping: Promise<void> | undefined;
  return {
    grpcPort: doors.grpcPort,
    connectPort: doors.connectPort,
    opsPort: doors.opsPort,
    broken,
    reload: () => doors.reload(),
    stop() {
      stopping ??= doors.drain(drainMs).finally(closeAll);
      return stopping;
    },
  };
}

function serviceStarted(config: Config, clock: Clock) {
  return {
    kind: "service.started",
    timeMs: clock.nowMs(),
    caller: "service",
    actor: "",
    account: "",
    subject: config.environment,
    details: {},
  } as const;
}
