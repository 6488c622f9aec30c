import { setTimeout } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { ServerReflection as ReflectionV1 } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Health as HealthService } from "../gen/health/v1/health_pb.ts";
import type { BlockedIdentities } from "../identity/blocked-identities.ts";
import type { RoleMap } from "../identity/role-map.ts";
import type { RpcTable } from "../identity/rpc-table.ts";
import { openConnectDoor } from "./connect.ts";
import { type CallObserver, Dispatcher, type OnDenied } from "./dispatch.ts";
import { type Door, openGrpcDoor } from "./grpc.ts";
import type { Codec } from "./grpc-call.ts";
import type { Handlers } from "./handlers.ts";
import { Health, type Readiness } from "./health.ts";
import { type MetricsSource, openOpsDoor } from "./ops.ts";
import { Reflection } from "./reflection.ts";
import { listRpcs, SERVICES } from "./rpc.ts";
import { StreamSet } from "./stream-set.ts";
import type { TlsListenerOptions } from "./tls-listener.ts";
import type { TlsSource } from "./tls-material.ts";

const FLUSH_MAX_MS = 1_000;

/** Where a door listens. Port 0: any free one. */
export interface DoorAddress {
  readonly host: string;
  readonly port: number;
}

/** Bounds and waits that have defaults. Times are in milliseconds. */
export type DoorLimits = Partial<
  Pick<
    TlsListenerOptions,
    "connectionsMax" | "handshakeMaxMs" | "connectionAgeMaxMs" | "sweepEveryMs" | "reloadEveryMs"
  >
> & { readonly callsInFlightMax?: number; readonly defaultDeadlineMs?: number };

/** What the doors need. */
export interface DoorsOptions {
  readonly handlers: Handlers;
  readonly grpc: DoorAddress;
  readonly connect: DoorAddress;
  readonly ops: DoorAddress;
  readonly tls: TlsSource;
  readonly trustDomain: string;
  readonly roleMap: RoleMap;
  /** Who is shut out; nobody unless given. */
  readonly blocked?: BlockedIdentities;
  readonly log: Log;
  readonly clock: Clock;
  readonly observer: CallObserver;
  readonly onDenied: OnDenied;
  readonly readiness: Readiness;
  readonly metrics: MetricsSource;
  /** Server reflection; on unless false. */
  readonly reflection?: boolean;
  /** Codecs in place of the generated ones, by the RPC's full name: faster ones, and of messages that hold secrets. */
  readonly codecs?: Readonly<Record<string, Codec>>;
  readonly table?: RpcTable;
  readonly limits?: DoorLimits;
}

/** All doors, open. */
export interface Doors {
  readonly grpcPort: number;
  readonly connectPort: number;
  readonly opsPort: number;
  /** Reads the TLS files again, on both doors; false when one of them keeps its last good material. */
  reload(): Promise<boolean>;
  /**
   * Not ready from now on, new calls are refused with DRAINING, those in flight may finish within `graceMs`; then every connection is ended. The ops door stays open
   * until `close()`. The calls of a second drain wait for the first.
   */
  drain(graceMs: number): Promise<void>;
  /** Ends everything now. */
  close(): Promise<void>;
}

/** Opens every door, or none: what was opened is closed again when a later one fails. */
export async function openDoors(options: DoorsOptions): Promise<Doors> {
  const { table, limits, codecs, clock, log, trustDomain, roleMap, tls } = options;
  const { callsInFlightMax, defaultDeadlineMs, ...listenerLimits } = limits ?? {};
  const dispatcher = new Dispatcher({
    clock,
    log,
    observer: options.observer,
    onDenied: options.onDenied,
    ...(table === undefined ? {} : { table }),
    ...(callsInFlightMax === undefined ? {} : { callsInFlightMax }),
    ...(defaultDeadlineMs === undefined ? {} : { defaultDeadlineMs }),
  });
  const isReflectionOn = options.reflection !== false;
  const served = [...SERVICES, HealthService, ...(isReflectionOn ? [ReflectionV1, ReflectionV1Alpha] : [])];
  const health = new Health(
    options.readiness,
    served.map((service) => service.typeName),
  );
  const streams = new StreamSet();
  const infrastructure = { health, reflection: isReflectionOn ? new Reflection(served) : undefined, streams };
  const shared = { dispatcher, infrastructure, rpcs: listRpcs(options.handlers) };
  const { blocked } = options;
  const listener = {
    tls,
    trustDomain,
    roleMap,
    clock,
    log,
    ...(blocked === undefined ? {} : { blocked }),
    ...listenerLimits,
  };

  const opened: { close(): Promise<void> }[] = [];
  const tlsDoors: Door[] = [];
  // One that was unblocked has to come again as well: its connections were judged when they began.
  blocked?.onChange((spiffeId) => {
    for (const door of tlsDoors) door.endConnectionsOf(spiffeId);
  });
  const closeAll = async () => {
    streams.close();
    await Promise.all(opened.splice(0).map((door) => door.close()));
  };
  try {
    const ops = await openOpsDoor({ ...options.ops, health, metrics: options.metrics, log });
    opened.push(ops);
    const grpc = await openGrpcDoor({
      ...shared,
      listener: { ...listener, ...options.grpc },
      ...(codecs === undefined ? {} : { codecs }),
    });
    opened.push(grpc);
    tlsDoors.push(grpc);
    const connect = await openConnectDoor({
      ...shared,
      listener: { ...listener, ...options.connect },
      ...(codecs === undefined ? {} : { codecs }),
    });
    opened.push(connect);
    tlsDoors.push(connect);
    let draining: Promise<void> | undefined;
    const drain = async (graceMs: number) => {
      health.drain();
      await dispatcher.drain(graceMs);
      streams.close();
      for (const door of [grpc, connect]) door.stopAccepting();
      // The last answers are written, but may not have left yet: connections end by themselves, and only what hangs is cut.
      await Promise.race([
        Promise.all([grpc.whenEmpty(), connect.whenEmpty()]),
        setTimeout(FLUSH_MAX_MS, undefined, { ref: false }),
      ]);
      await Promise.all([grpc.close(), connect.close()]);
    };
    return {
      grpcPort: grpc.port,
      connectPort: connect.port,
      opsPort: ops.port,
      reload: async () => !(await Promise.all([grpc.reload(), connect.reload()])).includes(false),
      drain: (graceMs) => {
        draining ??= drain(graceMs);
        return draining;
      },
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}
