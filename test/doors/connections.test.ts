import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { create } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { DoorsOptions } from "../../src/doors/open-doors.ts";
import { openTlsListener } from "../../src/doors/tls-listener.ts";
import { GetBalanceResponseSchema } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { BlockedIdentities } from "../../src/identity/blocked-identities.ts";
import { DEFAULT_ROLE_MAP } from "../../src/identity/role-map.ts";
import { openTestDoors, type TestDoors } from "../support/doors.ts";
import { mintAuthority, mintServer, mintSvid, type Pem, TRUST_DOMAIN } from "../support/pki.ts";
import { callOnce, callRaw, openSession, reasonOf } from "../support/raw-call.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const BALANCE = "plori.ledger.v1.LedgerService/GetBalance";
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function open(changes: Partial<DoorsOptions> = {}): Promise<TestDoors> {
  const ledger = { getBalance: async () => create(GetBalanceResponseSchema, {}) };
  const doors = await openTestDoors({ ledger }, changes);
  cleanups.push(() => doors.close());
  return doors;
}

async function tlsConnect(port: number, ca: string, client?: Pem, more: object = {}): Promise<TLSSocket> {
  const socket = connect({
    host: "127.0.0.1",
    port,
    ca,
    servername: "localhost",
    ALPNProtocols: ["h2"],
    cert: client?.cert,
    key: client?.key,
    ...more,
  });
  socket.on("error", () => {});
  cleanups.push(() => socket.destroy());
  return socket;
}

/** Resolves when the connection is gone, also by a reset. */
function whenClosed(session: ReturnType<typeof openSession>): Promise<void> {
  return new Promise((resolve) => {
    session.once("close", resolve);
  });
}

describe.each(["gRPC", "Connect"])("on the %s door", (door) => {
  const portOf = (doors: TestDoors) => (door === "gRPC" ? doors.grpcPort : doors.connectPort);

  test("only TLS 1.3 is spoken", async () => {
    const doors = await open();
    const client = await mintSvid(doors.authority, "/settings/s1");
    const socket = await tlsConnect(portOf(doors), doors.authority.cert, client, { maxVersion: "TLSv1.2" });
    const [error] = await once(socket, "error");
    expect(String(error)).toMatch(/alert protocol version|alert/i);
  });

  test("a saved session does not stand in for the key", async () => {
    const doors = await open();
    const ca = doors.authority.cert;
    const client = await mintSvid(doors.authority, "/settings/s1");
    const first = await tlsConnect(portOf(doors), ca, client);
    const tickets: Buffer[] = [];
    first.on("session", (session) => tickets.push(session));
    await once(first, "secureConnect");
    // The server's HTTP/2 settings come after whatever tickets the handshake brings.
    await once(first, "data");
    const session = tickets[0] ?? first.getSession();
    const thief = await tlsConnect(portOf(doors), ca, undefined, { session });
    const data: Buffer[] = [];
    thief.on("data", (chunk: Buffer) => data.push(chunk));
    await new Promise((resolve) => thief.once("close", resolve));
    expect(data).toEqual([]);
  });

  test("a live connection ends when its certificate does", async () => {
    const clock = manualClock(Date.now());
    const doors = await open({ clock, limits: { sweepEveryMs: 20 } });
    const notAfterMs = Math.floor(Date.now() / 1000) * 1000 + 600_000;
    const session = openSession(
      portOf(doors),
      doors.authority.cert,
      await mintSvid(doors.authority, "/settings/s1", { notAfterMs }),
    );
    cleanups.push(() => session.destroy());
    expect((await callRaw(session, BALANCE)).code).toBe(0);
    clock.stepWallTo(notAfterMs);
    await once(session, "close");
  });

  test("between the end of a certificate and that of its connection no call is served", async () => {
    const clock = manualClock(Date.now());
    const doors = await open({ clock, limits: { sweepEveryMs: 1_000_000 } });
    const notAfterMs = Math.floor(Date.now() / 1000) * 1000 + 600_000;
    const client = await mintSvid(doors.authority, "/settings/s1", { notAfterMs });
    const session = openSession(portOf(doors), doors.authority.cert, client);
    cleanups.push(() => session.destroy());
    expect((await callRaw(session, BALANCE)).code).toBe(0);
    clock.stepWallTo(notAfterMs);
    const answer = await callRaw(session, BALANCE);
    expect([answer.code, reasonOf(answer)]).toEqual([16, "IDENTITY_INVALID"]);
  });

  test("a connection ends at its greatest age, whatever its certificate says", async () => {
    const clock = manualClock(Date.now());
    const doors = await open({ clock, limits: { sweepEveryMs: 20, connectionAgeMaxMs: 60_000 } });
    const session = openSession(portOf(doors), doors.authority.cert, await mintSvid(doors.authority, "/settings/s1"));
    cleanups.push(() => session.destroy());
    expect((await callRaw(session, BALANCE)).code).toBe(0);
    clock.advance(60_000);
    await once(session, "close");
  });

  test("a blocked identity's live connections end, its next ones are told nothing but that, and others are left alone", async () => {
    const blocked = new BlockedIdentities();
    const doors = await open({ blocked });
    const ca = doors.authority.cert;
    const [thief, other] = [
      await mintSvid(doors.authority, "/settings/s1"),
      await mintSvid(doors.authority, "/settings/s2"),
    ];
    const sessions = [openSession(portOf(doors), ca, thief), openSession(portOf(doors), ca, other)] as const;
    cleanups.push(() => sessions.map((session) => session.destroy()));
    for (const session of sessions) expect((await callRaw(session, BALANCE)).code).toBe(0);
    const closed = whenClosed(sessions[0]);
    blocked.set(`spiffe://${TRUST_DOMAIN}/settings/s1`, true);
    await closed;
    expect((await callRaw(sessions[1], BALANCE)).code).toBe(0);
    for (const rpc of [BALANCE, "plori.router.v1.RouterService/ResolveRoute", "grpc.health.v1.Health/Check"]) {
      const answer = await callOnce(portOf(doors), ca, thief, rpc);
      expect([answer.code, reasonOf(answer)], rpc).toEqual([16, "IDENTITY_INVALID"]);
    }
    const again = openSession(portOf(doors), ca, thief);
    cleanups.push(() => again.destroy());
    expect((await callRaw(again, BALANCE)).code).toBe(16);
    const cut = whenClosed(again);
    blocked.set(`spiffe://${TRUST_DOMAIN}/settings/s1`, false);
    await cut;
    expect((await callOnce(portOf(doors), ca, thief, BALANCE)).code).toBe(0);
  });

  test("a handshake that never finishes is given up", async () => {
    const doors = await open({ limits: { handshakeMaxMs: 100 } });
    const { connect: connectTcp } = await import("node:net");
    const socket = connectTcp(portOf(doors), "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "close");
  });

  test("more connections than the bound are refused, and room that comes free is used again", async () => {
    const doors = await open({ limits: { connectionsMax: 1 } });
    const ca = doors.authority.cert;
    const client = await mintSvid(doors.authority, "/settings/s1");
    const first = openSession(portOf(doors), ca, client);
    expect((await callRaw(first, BALANCE)).code).toBe(0);
    await expect(callOnce(portOf(doors), ca, client, BALANCE)).rejects.toThrow();
    first.destroy();
    await expect
      .poll(() =>
        callOnce(portOf(doors), ca, client, BALANCE).then(
          (answer) => answer.code,
          () => -1,
        ),
      )
      .toBe(0);
  });

  test("renewed files are taken up, and a half-written pair leaves the last good one in place", async () => {
    const directory = temporaryDirectory();
    cleanups.push(() => directory.remove());
    await chmod(directory.path, 0o755);
    const file = (name: string) => join(directory.path, name);
    const authority = await mintAuthority();
    const [first, second] = [await mintServer(authority), await mintServer(authority)];
    await writeFile(file("ca.pem"), authority.cert);
    await writeFile(file("server.pem"), first.cert);
    await writeFile(file("server.key"), first.key);
    const tls = {
      kind: "files",
      certFile: file("server.pem"),
      keyFile: file("server.key"),
      caFile: file("ca.pem"),
    } as const;
    const doors = await open({ tls, limits: { reloadEveryMs: 20 } });
    const client = await mintSvid(authority, "/settings/s1");
    const served = async () => {
      const socket = await tlsConnect(portOf(doors), authority.cert, client);
      await once(socket, "secureConnect");
      return socket.getPeerX509Certificate()?.toString();
    };
    expect(await served()).toBe(first.cert);

    await writeFile(file("server.pem"), second.cert);
    expect(await doors.reload()).toBe(false);
    await writeFile(file("ca.pem"), "");
    expect(await doors.reload()).toBe(false);
    await writeFile(file("ca.pem"), authority.cert.slice(0, 300));
    expect(await doors.reload()).toBe(false);
    expect(await served()).toBe(first.cert);
    expect((await callOnce(portOf(doors), authority.cert, client, BALANCE)).code).toBe(0);

    await writeFile(file("ca.pem"), authority.cert);
    await writeFile(file("server.key"), second.key);
    await expect.poll(served).toBe(second.cert);
  });

  test("an authority that is taken away ends the connections that it let in", async () => {
    const directory = temporaryDirectory();
    cleanups.push(() => directory.remove());
    const file = (name: string) => join(directory.path, name);
    const [old, fresh] = [await mintAuthority("old"), await mintAuthority("fresh")];
    const server = await mintServer(old);
    await writeFile(file("ca.pem"), old.cert + fresh.cert);
    await writeFile(file("server.pem"), server.cert);
    await writeFile(file("server.key"), server.key);
    const tls = {
      kind: "files",
      certFile: file("server.pem"),
      keyFile: file("server.key"),
      caFile: file("ca.pem"),
    } as const;
    const doors = await open({ tls, limits: { reloadEveryMs: 1_000_000 } });
    const client = await mintSvid(old, "/settings/s1");
    const session = openSession(portOf(doors), old.cert, client);
    expect((await callRaw(session, BALANCE)).code).toBe(0);
    await writeFile(file("ca.pem"), fresh.cert);
    const closed = once(session, "close");
    expect(await doors.reload()).toBe(true);
    await closed;
    await expect(callOnce(portOf(doors), old.cert, client, BALANCE)).rejects.toThrow();
    expect((await callOnce(portOf(doors), old.cert, await mintSvid(fresh, "/settings/s1"), BALANCE)).code).toBe(0);
  });
});

test.each([
  ["an empty client authority", { ca: "" }, /holds no certificate/],
  ["a client authority that is a leaf", { ca: "leaf" }, /is not an authority/],
  ["a key of another certificate", { key: "other" }, /do not belong together/],
  ["a certificate cut short", { cert: "cut" }, /cut short/],
])("a listener with %s does not open", async (_what, wrong: { ca?: string; key?: string; cert?: string }, message) => {
  const authority = await mintAuthority();
  const [server, other] = [await mintServer(authority), await mintServer(authority)];
  const tls = {
    kind: "pem",
    ca: wrong.ca === undefined ? authority.cert : wrong.ca && other.cert,
    key: wrong.key === undefined ? server.key : other.key,
    cert: wrong.cert === undefined ? server.cert : server.cert.slice(0, 200),
  } as const;
  const opening = openTlsListener({
    host: "127.0.0.1",
    port: 0,
    tls,
    alpn: ["h2"],
    trustDomain: TRUST_DOMAIN,
    roleMap: DEFAULT_ROLE_MAP,
    clock: manualClock(Date.now()),
    log: silentLog,
    onConnection() {},
  });
  await expect(opening).rejects.toThrow(message);
});
