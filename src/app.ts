import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { cataloguePrices } from "./app/catalogue-prices.ts";
import { developmentPrices } from "./app/development-prices.ts";
import { watchKms } from "./app/kms-watch.ts";
import { createMetrics } from "./app/metrics.ts";
import { openAudit } from "./app/open-audit.ts";
import { activeKmsKeyArn, openKms } from "./app/open-kms.ts";
import { sweepEvery } from "./app/sweep.ts";
import { chance } from "./base/chance.ts";
import { type Clock, systemClock } from "./base/clock.ts";
import { createIdMinter } from "./base/ids.ts";
import { createLog, type Log } from "./base/log.ts";
import type { Config } from "./config.ts";
import { ensureDevelopmentPki } from "./doors/development-pki.ts";
import { type Doors, openDoors } from "./doors/open-doors.ts";
import { createKeyVaultHandlers } from "./doors/rpc/key-vault-handlers.ts";
import { createLedgerHandlers } from "./doors/rpc/ledger-handlers.ts";
import { createResolveRouteCodec } from "./doors/rpc/resolve-route-codec.ts";
import { createRouterHandlers } from "./doors/rpc/router-handlers.ts";
import type { TlsSource } from "./doors/tls-material.ts";
import { checkedOpener } from "./keyvault/heads/checked-opener.ts";
import { createHeadKeeper } from "./keyvault/heads/head-keeper.ts";
import { withHeads } from "./keyvault/heads/key-store-with-heads.ts";
import { environmentMistake, installationMistake } from "./keyvault/installation.ts";
import { createKeyKeeper } from "./keyvault/key-keeper.ts";
import { createKeyReports } from "./keyvault/key-reports.ts";
import { sweepVault } from "./keyvault/life-cycle/sweep-vault.ts";
import { createCredentialOpener } from "./keyvault/open-credential.ts";
import { createProbeBudget } from "./keyvault/probe-budget.ts";
import { startReverifier, systemTimers } from "./keyvault/reverify-keys.ts";
import { watchOpener } from "./keyvault/watched-opener.ts";
import { publishPrices } from "./ledger/verbs/publish-prices.ts";
import { baseUrlOf } from "./providers/base-url.ts";
import { describeProvider } from "./providers/descriptors.ts";
import { createCodeExchanger } from "./providers/exchange-code.ts";
import { createProber } from "./providers/prober.ts";
import { CATALOGUE } from "./router/catalogue.ts";
import { createKeyWatch } from "./router/key-watch.ts";
import type { EndpointOf } from "./router/ports.ts";
import { createSealer, RECORDS_KEY_ID } from "./seal/create-sealer.ts";
import { openSqlite } from "./store/sqlite/open-sqlite.ts";

/** How often holds and grants whose end has come are booked, in milliseconds. Decisions go by time and do not wait for it. */
const SWEEP_EVERY_MS = 5_000;
/** How often the verifiers of one-click connects that nobody completed are destroyed, in milliseconds. They serve nobody before that either. */
const CONNECTS_SWEEP_EVERY_MS = 60_000;
/** How often what a dead process or an absent KMS left half done in the vault is looked for, in milliseconds. */
const MEND_EVERY_MS = 60_000;

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
  const closers: (() => Promise<void> | void)[] = [];
  async function closeAll(): Promise<void> {
    for (const close of closers.splice(0).reverse()) await close();
  }
  try {
    return await openFloors(config, clock, log, closers, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function openFloors(
  config: Config,
  clock: Clock,
  log: Log,
  closers: (() => Promise<void> | void)[],
  closeAll: () => Promise<void>,
): Promise<App> {
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const store = await openSqlite(config.databasePath, clock, log);
  closers.push(() => store.close());
  const { kms, activeKeyId, keyIds, close: closeKms } = await openKms(config);
  closers.push(closeKms);
  const mistake = await environmentMistake({ installation: store.installation, environment: config.environment });
  if (mistake !== undefined) throw new Error(mistake);
  const kmsWatch = watchKms(kms, keyIds, log, () => installationMistake(installationDeps));
  closers.push(() => kmsWatch.stop());
  const sealer = createSealer({
    kms,
    store: store.dataKeys,
    environment: config.environment,
    activeKmsKeyId: activeKeyId,
    isTrustedKmsKey: kmsWatch.isTrusted,
    localKmsKey: kmsWatch.localArn,
    clock,
  });
  const installationDeps = {
    installation: store.installation,
    dataKeys: store.dataKeys,
    macs: sealer,
    environment: config.environment,
    dataKeyId: RECORDS_KEY_ID,
    isTrustedKmsKey: kmsWatch.isTrusted,
    clock,
  };
  closers.push(() => sealer.close());

  const heads = createHeadKeeper({ macs: sealer, vault: store.vault, clock, report: store.denials });
  const vaultDeps = { vault: store.vault, heads, sealer, dataKeys: store.dataKeys, lifeCycle: sealer, clock, log };
  const mending = sweepEvery(MEND_EVERY_MS, (signal) => sweepVault(vaultDeps, signal));
  closers.push(() => mending.stop());
  const { checkpointer, deps: auditDeps } = openAudit({
    audit: store.audit,
    history: store.releaseHistory,
    appendAudit: (event) => store.writer.submit("appendAudit", [event]),
    sealer,
    environment: config.environment,
    checkpointFile: config.auditCheckpointFile,
    clock,
    log,
  });
  closers.push(() => checkpointer.stop());

  const mintId = createIdMinter(clock);
  const prober = createProber({ urls: config.providerUrls, clock });
  const endpointOf = createEndpoints(config.providerUrls);
  const probeBudget = createProbeBudget(clock);
  const opener = createCredentialOpener(sealer);
  const keeper = createKeyKeeper({ keys: store.keys, opener, prober, probeBudget, clock });
  const reverifier = startReverifier({
    keys: store.keys,
    keeper,
    clock,
    timers: systemTimers,
    log,
    probesPerMinute: config.probesPerMinute,
    random: chance,
  });
  closers.push(() => reverifier.close());
  const handlers = {
    keyVault: createKeyVaultHandlers({
      ...auditDeps,
      keys: withHeads(store.keys, heads, log),
      sealer,
      prober,
      probeBudget,
      keeper,
      connects: store.connects,
      exchanger: createCodeExchanger({ overrideOrigin: config.providerUrls.openrouter, clock }),
      callbackOrigins: config.connectCallbacks,
      openRouterOrigin: config.providerUrls.openrouter,
      clock,
      lifeCycle: {
        rewrap: {
          vault: store.vault,
          dataKeys: sealer,
          activeKmsKeyArn: () => activeKmsKeyArn(kms, activeKeyId),
          clock,
        },
        rotate: vaultDeps,
        shred: vaultDeps,
        evict: vaultDeps,
        verify: { vault: store.vault, dataKeys: sealer, clock },
      },
    }),
    router: createRouterHandlers({
      placements: store.placements,
      keys: store.directory,
      opener: watchOpener(checkedOpener(opener, heads), (key) => {
        const cause = { caller: "service", actor: "", details: { cause: "open" }, auditAlways: false };
        keeper
          .note(key, { kind: "unreadable" }, cause)
          .catch((error: unknown) => log.warn("that a key does not open was not written down", { err: error }));
      }),
      routes: store.routes,
      reports: createKeyReports({ keeper, clock, log }),
      keyWatch: createKeyWatch(),
      releaseLog: store.releases,
      endpointOf,
      catalogue: CATALOGUE,
      clock,
      mintId,
    }),
    ledger: createLedgerHandlers({
      ledger: store.ledger,
      clock,
      mintId,
      cataloguePrices: (value) => cataloguePrices(CATALOGUE, value),
    }),
  };
  if (config.development && (await store.ledger.newestPriceVersion()) === undefined) {
    const input = { ...developmentPrices(CATALOGUE), draftId: "", requestId: "", actor: "development profile" };
    await publishPrices({ ledger: store.ledger, clock }, input, { spiffeId: "service" });
  }
  const sweeping = setInterval(() => {
    store.ledger.sweepHolds().catch((error: unknown) => log.warn("holds were not swept", { err: error }));
  }, SWEEP_EVERY_MS);
  closers.push(() => clearInterval(sweeping));
  function sweepConnects(): void {
    store.connects.sweep().catch((error: unknown) => log.warn("connects were not swept", { err: error }));
  }
  // At once, too: what ended while no process ran has waited long enough.
  sweepConnects();
  const sweepingConnects = setInterval(sweepConnects, CONNECTS_SWEEP_EVERY_MS);
  closers.push(() => clearInterval(sweepingConnects));

  const metrics = createMetrics();
  metrics.gauge(
    "plori_writes_waiting",
    "Commands that wait for the writing thread or run there.",
    () => store.writer.depth,
  );
  metrics.gauge("plori_data_keys_cached", "Data keys held in memory.", () => sealer.stats().dataKeys);
  metrics.gauge("plori_kms_circuit_open", "1 while the KMS is left alone after failures in a row.", () =>
    sealer.stats().kmsCircuitOpen ? 1 : 0,
  );
  metrics.gauge(
    "plori_audit_checkpoints_stopped",
    "1 when no checkpoint of the audit is signed since its chain is not the one that the last checkpoint tells of.",
    () => (checkpointer.isStopped ? 1 : 0),
  );

  const doors = await openDoors({
    handlers,
    grpc: config.grpc,
    connect: config.connect,
    ops: config.ops,
    tls: await tlsSource(config, clock),
    trustDomain: config.trustDomain,
    roleMap: config.roleMap,
    reflection: config.reflection,
    codecs: { "plori.router.v1.RouterService/ResolveRoute": createResolveRouteCodec() },
    log,
    clock,
    observer: metrics,
    metrics: metrics.registry,
    readiness: { reasons: () => kmsWatch.reasons() },
    onDenied({ spiffeId, role }, rpc) {
      store.denials({
        kind: "call.denied",
        timeMs: clock.nowMs(),
        caller: spiffeId,
        actor: "",
        account: "",
        subject: rpc,
        details: { role: role ?? "" },
      });
    },
  });
  closers.push(() => doors.close());
  await store.writer.submit("appendAudit", [serviceStarted(config, clock)]);
  log.info("serving", {
    environment: config.environment,
    grpc: doors.grpcPort,
    connect: doors.connectPort,
    ops: doors.opsPort,
  });
  const broken = Promise.race([store.writer.broken, kmsWatch.wrongKey]);
  broken.catch(() => {});
  return asApp(doors, broken, config.drainMs, closeAll);
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

/** Where each provider is called; made once, since every route asks. */
function createEndpoints(urls: Config["providerUrls"]): EndpointOf {
  const made = new Map<string, ReturnType<EndpointOf>>();
  return (provider) => {
    let endpoint = made.get(provider);
    if (endpoint === undefined) {
      const descriptor = describeProvider(provider);
      endpoint = {
        baseUrl: baseUrlOf(descriptor, urls[provider]),
        credentialHeader: descriptor.auth.header,
        credentialPrefix: descriptor.auth.prefix,
        headers: descriptor.headers,
      };
      made.set(provider, endpoint);
    }
    return endpoint;
  };
}

async function tlsSource({ tls, trustDomain }: Config, clock: Clock): Promise<TlsSource> {
  if (tls.kind === "files") return tls;
  await ensureDevelopmentPki(tls.directory, { clock, trustDomain });
  const file = (name: string): string => join(tls.directory, name);
  return { kind: "files", certFile: file("server.pem"), keyFile: file("server.key"), caFile: file("ca.pem") };
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
