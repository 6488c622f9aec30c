import { chance } from "../base/chance.ts";
import type { KeyVaultDeps } from "../doors/rpc/key-vault-handlers.ts";
import { checkedOpener } from "../keyvault/heads/checked-opener.ts";
import { withHeads } from "../keyvault/heads/key-store-with-heads.ts";
import { createKeyKeeper, type KeyKeeper } from "../keyvault/key-keeper.ts";
import { sweepVault } from "../keyvault/life-cycle/sweep-vault.ts";
import { createCredentialOpener } from "../keyvault/open-credential.ts";
import { createProbeBudget } from "../keyvault/probe-budget.ts";
import { startReverifier, systemTimers } from "../keyvault/reverify-keys.ts";
import { watchOpener } from "../keyvault/watched-opener.ts";
import { createCodeExchanger } from "../providers/exchange-code.ts";
import { createProber } from "../providers/prober.ts";
import type { CredentialOpener } from "../router/ports.ts";
import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import type { Ground } from "./ground.ts";
import { openAudit } from "./open-audit.ts";
import { activeKmsKeyArn } from "./open-kms.ts";
import type { Sealing } from "./open-sealing.ts";
import { sweepEvery } from "./sweep.ts";

/** How often what a dead process or an absent KMS left half done in the vault is looked for, in milliseconds. */
const MEND_EVERY_MS = 60_000;
/** How often the verifiers of one-click connects that nobody completed are destroyed, in milliseconds. They serve nobody before that either. */
const CONNECTS_SWEEP_EVERY_MS = 60_000;

/** KeyVault, as its RPCs and the router need it. */
export interface OpenVault {
  readonly deps: KeyVaultDeps;
  readonly keeper: KeyKeeper;
  /** Opens keys for routes: none whose head does not hold, and one that does not open is written down as such. */
  readonly opener: CredentialOpener;
  /** Whether no checkpoint of the audit is signed any more. */
  isAuditStopped(): boolean;
}

/** Opens KeyVault with its background work: mending, verifying keys again, signing checkpoints of the audit. */
export function openVault(ground: Ground, store: SqliteStore, sealing: Sealing): OpenVault {
  const { config, clock, log, closers } = ground;
  const { sealer, heads, kms, activeKeyId } = sealing;
  const vaultDeps = { vault: store.vault, heads, sealer, dataKeys: store.dataKeys, lifeCycle: sealer, clock, log };
  const mending = sweepEvery({ everyMs: MEND_EVERY_MS, log, failure: "the vault was not mended" }, (signal) =>
    sweepVault(vaultDeps, signal),
  );
  closers.add(() => mending.stop());
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
  closers.add(() => checkpointer.stop());

  const prober = createProber({ urls: config.providerUrls, clock });
  const probeBudget = createProbeBudget(clock);
  const plainOpener = createCredentialOpener(sealer);
  const keeper = createKeyKeeper({ keys: store.keys, opener: plainOpener, prober, probeBudget, clock });
  const reverifier = startReverifier({
    keys: store.keys,
    keeper,
    clock,
    timers: systemTimers,
    log,
    probesPerMinute: config.probesPerMinute,
    random: chance,
  });
  closers.add(() => reverifier.close());
  const sweepingConnects = sweepEvery(
    { everyMs: CONNECTS_SWEEP_EVERY_MS, log, failure: "connects were not swept" },
    () => store.connects.sweep(),
  );
  closers.add(() => sweepingConnects.stop());
  const opener = watchOpener(checkedOpener(plainOpener, heads), (key) => {
    const cause = { caller: "service", actor: "", details: { cause: "open" }, auditAlways: false };
    keeper
      .note(key, { kind: "unreadable" }, cause)
      .catch((error: unknown) => log.warn("that a key does not open was not written down", { err: error }));
  });
  const deps: KeyVaultDeps = {
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
      rewrap: { vault: store.vault, dataKeys: sealer, activeKmsKeyArn: () => activeKmsKeyArn(kms, activeKeyId), clock },
      rotate: vaultDeps,
      shred: vaultDeps,
      evict: vaultDeps,
      verify: { vault: store.vault, dataKeys: sealer, clock },
    },
  };
  return { deps, keeper, opener, isAuditStopped: () => checkpointer.isStopped };
}
