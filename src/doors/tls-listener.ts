import { constants } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { watchFiles } from "../base/watch-files.ts";
import type { RoleMap } from "../identity/role-map.ts";
import { type Blocklist, type Peer, readPeer, spiffeIdOf } from "./peer.ts";
import { loadTlsMaterial, type TlsMaterial, type TlsSource } from "./tls-material.ts";

/** What a listener needs. Times are in milliseconds. */
export interface TlsListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tls: TlsSource;
  /** Protocols to offer, the preferred one first. */
  readonly alpn: readonly ("h2" | "http/1.1")[];
  readonly trustDomain: string;
  readonly roleMap: RoleMap;
  /** Who is shut out; asked once a connection. Whoever changes it ends the connections that were judged before. */
  readonly blocked?: Blocklist;
  readonly clock: Clock;
  readonly log: Log;
  readonly connectionsMax?: number;
  readonly handshakeMaxMs?: number;
  /** A connection older than this ends, so that no identity is believed for longer than that after it was checked. */
  readonly connectionAgeMaxMs?: number;
  /** How often live connections are checked for their end. */
  readonly sweepEveryMs?: number;
  /** How often the TLS files are looked at. */
  readonly reloadEveryMs?: number;
  /** Receives each connection whose handshake succeeded; its peer can be asked for until it closes. */
  readonly onConnection: (socket: TLSSocket) => void;
}

/** A TLS 1.3 listener that demands a client certificate and knows who is at the other end of each connection. */
export interface TlsListener {
  readonly port: number;
  /** Connections that are open now. */
  readonly connectionCount: number;
  /** The peer behind "address:port", as `peerKey` and grpc-js's `getPeer()` spell it; undefined when no such connection is open. */
  peerOf(key: string): Peer | undefined;
  /** Reads the TLS files again. What does not check is logged and the last good material keeps serving; the answer says whether it was replaced. */
  reload(): Promise<boolean>;
  /** Ends every connection whose certificate or age has run out. Happens by itself; public for tests. */
  sweep(): void;
  /** Ends every connection of an identity. */
  endConnectionsOf(spiffeId: string): void;
  /** Accepts no new connections; open ones live on. */
  stopAccepting(): void;
  /** Resolves when no connection is open: for a listener that stopped accepting. */
  whenEmpty(): Promise<void>;
  /** Ends everything now. */
  close(): Promise<void>;
}

interface Connection {
  readonly socket: TLSSocket;
  readonly peer: Peer;
  readonly endMs: number;
}

const DEFAULTS = {
  connectionsMax: 10_000,
  handshakeMaxMs: 10_000,
  connectionAgeMaxMs: 3_660_000,
  sweepEveryMs: 1_000,
  reloadEveryMs: 5_000,
};

/** Opens a listener. Rejects when the TLS material does not check (an empty client authority, for one) or the address cannot be bound. */
export async function openTlsListener(options: TlsListenerOptions): Promise<TlsListener> {
  const { clock, log } = options;
  const connections = new Map<string, Connection>();
  const emptied: (() => void)[] = [];
  let material = await loadTlsMaterial(options.tls, clock.nowMs());
  const server = createTlsServer(options, material);
  // Every accepted socket, also while its handshake is under way: closing must not wait for a client that never finishes one.
  const accepted = new Set<Socket>();
  server.on("connection", (socket) => {
    accepted.add(socket);
    socket.once("close", () => accepted.delete(socket));
  });

  server.on("secureConnection", (socket) => {
    // A socket's error is the other end's doing; without a listener it would end the process.
    socket.on("error", () => socket.destroy());
    const key = peerKey(socket);
    const certificate = socket.getPeerX509Certificate();
    if (key === undefined || certificate === undefined || !socket.authorized) {
      socket.destroy();
      return;
    }
    const nowMs = clock.nowMs();
    const { trustDomain, roleMap, blocked } = options;
    const peer = readPeer(certificate.raw, { trustDomain, roleMap, blocked, nowMs });
    if (peer.kind === "blocked") log.warn("a blocked identity connected", { spiffeId: peer.spiffeId, address: key });
    if (peer.kind === "refused") log.warn("client certificate is no SVID of ours", { rule: peer.why, address: key });
    const endMs = Math.min(peer.notAfterMs, nowMs + (options.connectionAgeMaxMs ?? DEFAULTS.connectionAgeMaxMs));
    connections.set(key, { socket, peer, endMs });
    socket.once("close", () => {
      if (connections.get(key)?.socket === socket) connections.delete(key);
      if (connections.size === 0) for (const resolve of emptied.splice(0)) resolve();
    });
    options.onConnection(socket);
  });
  server.on("tlsClientError", (_error, socket) => {
    log.debug("handshake refused");
    socket.destroy();
  });
  server.on("drop", () => log.warn("connection refused: too many are open"));

  function sweep(): void {
    const nowMs = clock.nowMs();
    for (const { socket, endMs } of connections.values()) if (endMs <= nowMs) socket.destroy();
  }
  const sweeper = setInterval(sweep, options.sweepEveryMs ?? DEFAULTS.sweepEveryMs).unref();

  async function reload(): Promise<boolean> {
    try {
      const next = await loadTlsMaterial(options.tls, clock.nowMs());
      server.setSecureContext(contextOptions(next));
      const isAuthorityGone = [...material.authorities].some((authority) => !next.authorities.has(authority));
      material = next;
      // Who was let in by an authority that is trusted no longer has to come again.
      if (isAuthorityGone) for (const { socket } of connections.values()) socket.destroy();
      log.info("TLS material loaded", { notAfter: new Date(next.notAfterMs).toISOString() });
      return true;
    } catch (error) {
      const why = error instanceof Error && !("code" in error) ? error.message : "OpenSSL does not load it";
      log.error("TLS material not loaded; the last good one serves on", { why });
      return false;
    }
  }
  const watcher =
    options.tls.kind === "files"
      ? watchFiles(
          [options.tls.certFile, options.tls.keyFile, options.tls.caFile],
          options.reloadEveryMs ?? DEFAULTS.reloadEveryMs,
          reload,
        )
      : undefined;

  try {
    await listen(server, options);
  } catch (error) {
    clearInterval(sweeper);
    watcher?.stop();
    throw error;
  }
  return {
    port: boundPort(server),
    get connectionCount() {
      return connections.size;
    },
    peerOf: (key) => connections.get(key)?.peer,
    reload,
    sweep,
    endConnectionsOf(spiffeId) {
      for (const { socket, peer } of connections.values()) if (spiffeIdOf(peer) === spiffeId) socket.destroy();
    },
    stopAccepting() {
      if (server.listening) server.close();
    },
    whenEmpty: () =>
      new Promise((resolve) => {
        if (connections.size === 0) resolve();
        else emptied.push(resolve);
      }),
    async close() {
      clearInterval(sweeper);
      watcher?.stop();
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const { socket } of connections.values()) socket.destroy();
      for (const socket of accepted) socket.destroy();
      await closed;
    },
  };
}

/** "address:port" of a connection's other end; undefined once it is gone. */
export function peerKey(socket: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): string | undefined {
  return socket.remoteAddress === undefined || socket.remotePort === undefined
    ? undefined
    : `${socket.remoteAddress}:${socket.remotePort}`;
}

function createTlsServer(options: TlsListenerOptions, material: TlsMaterial): Server {
  const server = createServer({
    ...contextOptions(material),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: [...options.alpn],
    handshakeTimeout: options.handshakeMaxMs ?? DEFAULTS.handshakeMaxMs,
    noDelay: true,
  });
  server.maxConnections = options.connectionsMax ?? DEFAULTS.connectionsMax;
  return server;
}

/** A resumed TLS 1.3 session is taken for authorised although the client shows no certificate and holds no key: so there are no tickets. */
function contextOptions({ cert, key, ca }: TlsMaterial) {
  return { cert, key, ca, minVersion: "TLSv1.3", secureOptions: constants.SSL_OP_NO_TICKET } as const;
}

function listen(server: Server, { host, port }: TlsListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function boundPort(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
