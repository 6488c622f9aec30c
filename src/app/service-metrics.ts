import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import type { Leases } from "./leases.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import type { Sealing } from "./open-sealing.ts";
import type { OpenVault } from "./open-vault.ts";

/** What the figures are read from. */
export interface MeasuredFloors {
  readonly store: SqliteStore;
  readonly sealing: Sealing;
  readonly vault: OpenVault;
  readonly leases: Leases;
}

/** The calls' metrics, with the figures of the floors beside them. */
export function createServiceMetrics({ store, sealing: { sealer }, vault, leases }: MeasuredFloors): Metrics {
  const metrics = createMetrics();
  metrics.gauge(
    "plori_writes_waiting",
    "Commands that wait for the writing thread or run there.",
    () => store.writer.depth,
  );
  metrics.gauge("plori_data_keys_cached", "Data keys held in memory.", () => sealer.stats().dataKeys);
  metrics.gauge("plori_identities_blocked", "Identities that are shut out of the doors.", () => leases.blocked.size);
  metrics.gauge("plori_kms_circuit_open", "1 while the KMS is left alone after failures in a row.", () =>
    sealer.stats().kmsCircuitOpen ? 1 : 0,
  );
  metrics.gauge(
    "plori_audit_checkpoints_stopped",
    "1 when no checkpoint of the audit is signed since its chain is not the one that the last checkpoint tells of.",
    () => (vault.isAuditStopped() ? 1 : 0),
  );
  return metrics;
}
