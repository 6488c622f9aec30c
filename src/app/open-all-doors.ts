import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Config } from "../config.ts";
import { ensureDevelopmentPki } from "../doors/development-pki.ts";
import type { Handlers } from "../doors/handlers.ts";
import { type Doors, openDoors } from "../doors/open-doors.ts";
import { createCodecs } from "../doors/rpc/codecs.ts";
import type { TlsSource } from "../doors/tls-material.ts";
import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import type { Ground } from "./ground.ts";
import type { Leases } from "./leases.ts";
import type { Metrics } from "./metrics.ts";
import type { Sealing } from "./open-sealing.ts";

/** What stands below the doors. */
export interface FloorsBelow {
  readonly store: SqliteStore;
  readonly sealing: Sealing;
  readonly leases: Leases;
}

/** Opens the doors as the configuration says, with identities, audit of denials and metrics behind them. */
export async function openAllDoors(
  { config, clock, log }: Ground,
  { store, sealing: { kmsWatch }, leases }: FloorsBelow,
  handlers: Handlers,
  metrics: Metrics,
): Promise<Doors> {
  return openDoors({
    handlers,
    grpc: config.grpc,
    connect: config.connect,
    ops: config.ops,
    tls: await tlsSource(config, clock),
    trustDomain: config.trustDomain,
    roleMap: config.roleMap,
    blocked: leases.blocked,
    reflection: config.reflection,
    codecs: createCodecs(),
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
}

async function tlsSource({ tls, trustDomain }: Config, clock: Clock): Promise<TlsSource> {
  if (tls.kind === "files") return tls;
  await ensureDevelopmentPki(tls.directory, { clock, trustDomain });
  const file = (name: string): string => join(tls.directory, name);
  return { kind: "files", certFile: file("server.pem"), keyFile: file("server.key"), caFile: file("ca.pem") };
}
