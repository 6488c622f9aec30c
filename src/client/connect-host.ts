import { type Clock, systemClock } from "../base/clock.ts";
import type { CallReport, Verdict } from "./calls/report.ts";
import { type TrackedCall, type TrackOptions, trackCall } from "./calls/track-call.ts";
import { encodeUsageRecord, type TokenCounts, type UsageRecord } from "./calls/usage-record.ts";
import { hostClosed } from "./host-error.ts";
import { type HostLimits, readLimits } from "./host-limits.ts";
import { keepMaterial } from "./link/keep-material.ts";
import { openLink } from "./link/link.ts";
import { loadMaterial } from "./link/material.ts";
import { type HostLog, silentHostLog } from "./log.ts";
import { LeaseBook } from "./routes/lease-book.ts";
import { Resolver, type WantedCall } from "./routes/resolver.ts";
import { RevocationWatch } from "./routes/revocation-watch.ts";
import type { Route, RouteHold } from "./routes/route.ts";
import { openService } from "./service.ts";
import { openDeadLetters } from "./spool/dead-letters.ts";
import { Deliverer } from "./spool/deliver.ts";
import { Spool } from "./spool/spool.ts";

/** What connecting needs. */
export interface HostOptions {
  /** The service's gRPC door: "byok.internal:7443". */
  readonly address: string;
  /** PEM: the host's certificate (its X.509-SVID), intermediates after it. Looked at every five seconds, like the other two. */
  readonly certFile: string;
  /** PEM: its private key. */
  readonly keyFile: string;
  /** PEM: the authority of the service's certificate. */
  readonly caFile: string;
  /** The name that the service's certificate bears, when it is not the address's. */
  readonly serverName?: string | undefined;
  /**
   * Where usage records lie until they are delivered: a directory on a local disk that outlives the process. Processes of one machine may share it; machines may
   * not. At most 81 bytes long.
   */
  readonly spoolDirectory: string;
  readonly clock?: Clock | undefined;
  /** Silent unless given. */
  readonly log?: HostLog | undefined;
  readonly limits?: Partial<HostLimits> | undefined;
}

/** How the host is, for its own health check and metrics. */
export interface HostStatus {
  /** Whether revocations are heard. Without that every route comes from the service. */
  readonly isListening: boolean;
  /** Routes that may be reused now. */
  readonly leases: number;
  /** Usage records that wait for delivery. */
  readonly waitingRecords: number;
  readonly waitingBytes: number;
  /** When the certificate in use ends, in milliseconds since the Unix epoch. */
  readonly certificateNotAfterMs: number;
}

/** An agent host's side of plori BYOK. Every method throws or rejects with a `HostError`. */
export interface AgentHost {
  /**
   * Where and how to make a model call, with the credential: from a lease without a call where the service allowed that, asked of the service otherwise. Wipe
   * the route's credential when the call is over, or let `trackCall` do it.
   */
  resolve(call: WantedCall, options?: { readonly signal?: AbortSignal | undefined }): Promise<Route>;
  /** Tells the service how a call ended that did not end well, and says what to do about it. A route whose key is in trouble is not reused. */
  report(report: CallReport): Promise<Verdict>;
  /** Resolves when the record is on this machine's disk. From there it is delivered, however often the process ends, and counts exactly once. */
  recordUsage(record: UsageRecord): Promise<void>;
  /** Turns a call's end, however it comes, into its one usage record. */
  trackCall(route: Route, options?: TrackOptions): TrackedCall;
  /**
   * The call never happened: a hosted route's credits are given back (they would be charged by estimate when the hold ends), and the credential is wiped. A
   * route on the user's key sets nothing aside.
   */
  release(route: Route): Promise<void>;
  /**
   * Keeps a hosted route's credits set aside for a call that takes longer than its hold: for 15 minutes more, 4 hours in all. `usedSoFar` is what the call
   * is charged for if it is never reported. Resolves with the hold as it stands; undefined when the route has none.
   */
  extendHold(route: Route, usedSoFar?: TokenCounts): Promise<RouteHold | undefined>;
  /** Reads the certificate files now; false when they do not check and the last good ones serve on. */
  reloadCertificates(): Promise<boolean>;
  /** Resolves when every record is delivered, or after `maxMs`. Says whether all are. */
  flush(maxMs: number): Promise<boolean>;
  status(): HostStatus;
  /** Delivers for at most `flushMs` more (none unless given), then lets go of everything. What is not delivered stays on the disk for the next process. */
  close(options?: { readonly flushMs?: number }): Promise<void>;
}

/**
 * Connects an agent host. Resolves when certificates and spool are there; the service itself need not be reachable yet. Throws an Error that says what is
 * wrong with the files or the directory. The connection keeps the process alive until `close`.
 */
export async function connectHost(options: HostOptions): Promise<AgentHost> {
  const { address, serverName, spoolDirectory, clock = systemClock, log = silentHostLog } = options;
  const limits = readLimits(options.limits);
  const material = await loadMaterial(options);
  const link = openLink({ address, serverName }, material);
  const spool = await Spool.open(spoolDirectory, limits.spool, log).catch((error: unknown) => {
    link.close();
    throw error;
  });
  const keeper = keepMaterial({ files: options, first: material, clock, log, everyMs: limits.reloadEveryMs, link });
  const service = openService(link, clock);
  const leases = new LeaseBook(limits.leasesMax);
  const resolver: Resolver = new Resolver({
    clock,
    leases,
    ask: (wanted, call) => service.resolve(wanted, call),
    isListening: () => watch.isListening(),
    marginMs: limits.leaseMarginMs,
  });
  const watch = new RevocationWatch({
    clock,
    log,
    open: (resumeToken) => service.watchRevocations(resumeToken),
    onRevoked: (revoked) => resolver.revoke(revoked),
    onEverything: () => resolver.revokeAll(),
    limits: { silenceMaxMs: limits.silenceMaxMs, brokenMaxMs: limits.brokenMaxMs },
  });
  link.onRenewed(() => watch.move());
  const deliverer = new Deliverer({
    clock,
    log,
    spool,
    deadLetters: openDeadLetters(spoolDirectory, spool.writer),
    send: (payloads) => service.record(payloads, { timeoutMs: limits.recordMaxMs }),
  });
  const sweeping = setInterval(() => {
    leases.sweep({ monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() });
  }, limits.sweepEveryMs).unref();
  const adopting = setInterval(() => {
    spool.adopt().catch((error: unknown) => log.warn("the spool's directory cannot be read", { err: error }));
  }, limits.adoptEveryMs).unref();
  let closing: Promise<void> | undefined;

  const recordUsage = async (record: UsageRecord): Promise<void> => {
    if (closing !== undefined) throw hostClosed();
    await spool.append(encodeUsageRecord(record));
  };
  const close = async (flushMs: number): Promise<void> => {
    clearInterval(sweeping);
    clearInterval(adopting);
    keeper.stop();
    await watch.close();
    resolver.revokeAll();
    if (flushMs > 0) await deliverer.flush(flushMs);
    link.close();
    await deliverer.close();
    await spool.close();
  };
  return {
    async resolve(call, { signal } = {}) {
      if (closing !== undefined) throw hostClosed();
      return resolver.resolve(call, { timeoutMs: limits.resolveMaxMs, signal });
    },
    async report(report) {
      if (closing !== undefined) throw hostClosed();
      const verdict = await service.report(report, { timeoutMs: limits.reportMaxMs });
      if (verdict.keyState !== "ACTIVE" || verdict.advice !== "RETRY_SAME") leases.dropRoute(report.route.id);
      return verdict;
    },
    recordUsage,
    trackCall: (route, track = {}) => trackCall(route, track, clock, recordUsage),
    async release({ account, hold, credential }) {
      credential.wipe();
      if (closing !== undefined) throw hostClosed();
      if (hold !== undefined) await service.releaseHold(account, hold.name, { timeoutMs: limits.resolveMaxMs });
    },
    async extendHold({ account, hold }, usedSoFar) {
      if (closing !== undefined) throw hostClosed();
      if (hold === undefined) return undefined;
      return service.extendHold(account, hold.name, usedSoFar, { timeoutMs: limits.resolveMaxMs });
    },
    reloadCertificates: () => keeper.reload(),
    flush: (maxMs) => deliverer.flush(maxMs),
    status() {
      const { records, bytes } = spool.waiting;
      return {
        isListening: watch.isListening(),
        leases: leases.size,
        waitingRecords: records,
        waitingBytes: bytes,
        certificateNotAfterMs: keeper.notAfterMs,
      };
    },
    close({ flushMs = 0 } = {}) {
      closing ??= close(flushMs);
      return closing;
    },
  };
}
