import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GetBalanceResponseSchema } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import type { Identified } from "../../src/identity/rpc-table.ts";
import { RPC_TABLE } from "../../src/identity/rpc-table.ts";
import { openTestDoors, type TestDoors } from "../support/doors.ts";
import { HOSTILE_CERTIFICATES, REFUSED_AT_HANDSHAKE } from "../support/hostile-certificates.ts";
import { mintAuthority, mintSvid, type Pem, TRUST_DOMAIN } from "../support/pki.ts";
import { callOnce, callRaw, openSession, reasonOf } from "../support/raw-call.ts";

const BALANCE = "plori.ledger.v1.LedgerService/GetBalance";
const CHARGES = "plori.ledger.v1.LedgerService/ListCharges";
const HEALTH = "grpc.health.v1.Health/Check";

let doors: TestDoors;
const denied: { readonly caller: Identified; readonly rpc: string }[] = [];

beforeAll(async () => {
  doors = await openTestDoors(
    { ledger: { getBalance: async () => create(GetBalanceResponseSchema, {}) } },
    {
      onDenied: (caller, rpc) => denied.push({ caller, rpc }),
      table: new Map([...RPC_TABLE].filter(([rpc]) => rpc !== CHARGES)),
    },
  );
});
afterAll(() => doors.close());

describe.each(["gRPC", "Connect"])("on the %s door", (door) => {
  const port = () => (door === "gRPC" ? doors.grpcPort : doors.connectPort);
  const call = (client: Pem | undefined, rpc = BALANCE) => callOnce(port(), doors.authority.cert, client, rpc);

  test("a proper SVID with the right role is served", async () => {
    expect((await call(await mintSvid(doors.authority, "/settings/s1"))).code).toBe(0);
  });

  test("a client without a certificate does not get past the handshake", async () => {
    await expect(call(undefined)).rejects.toThrow();
  });

  test("a client of a foreign authority does not get past the handshake", async () => {
    const foreign = await mintAuthority();
    await expect(call(await mintSvid(foreign, "/settings/s1"))).rejects.toThrow();
  });

  test("a foreign authority of the same name does not get past the handshake either", async () => {
    const twin = { ...(await mintAuthority()), subject: doors.authority.subject };
    await expect(call(await mintSvid(twin, "/settings/s1"))).rejects.toThrow();
  });

  for (const { name, why, mint } of HOSTILE_CERTIFICATES)
    test(`${name}: every call is unauthenticated, health too`, async () => {
      const client = await mint(doors.authority);
      for (const rpc of [BALANCE, HEALTH]) {
        const answer = await call(client, rpc);
        expect(answer.code).toBe(16);
        expect(reasonOf(answer)).toBe("IDENTITY_INVALID");
        expect(decodeURIComponent(answer.message)).toContain(why);
        expect(decodeURIComponent(answer.message)).not.toContain("spiffe://");
      }
    });

  for (const { name, mint } of REFUSED_AT_HANDSHAKE)
    test(`${name}: nothing is served`, async () => {
      const client = await mint(doors.authority);
      const code = await call(client).then(
        (answer) => answer.code,
        () => "refused at the handshake",
      );
      expect([16, "refused at the handshake"]).toContain(code);
    });

  test("a valid identity without a role is denied, but may ask for health", async () => {
    const stranger = await mintSvid(doors.authority, "/janitor/j1");
    const answer = await call(stranger);
    expect([answer.code, reasonOf(answer)]).toEqual([7, "ROLE_NOT_ALLOWED"]);
    expect((await call(stranger, HEALTH)).code).toBe(0);
  });

  test("a path that differs from a role's by case has no role", async () => {
    expect((await call(await mintSvid(doors.authority, "/Settings/s1"))).code).toBe(7);
  });

  test("a role that may not call an RPC is denied, and the denial is told to the audit", async () => {
    denied.length = 0;
    const answer = await call(await mintSvid(doors.authority, "/agent-host/h1"));
    expect([answer.code, reasonOf(answer)]).toEqual([7, "ROLE_NOT_ALLOWED"]);
    const spiffeId = `spiffe://${TRUST_DOMAIN}/agent-host/h1`;
    expect(denied).toEqual([{ caller: { spiffeId, role: "agent-host", name: "h1" }, rpc: BALANCE }]);
  });

  test("an RPC that was taken out of the table is denied to everyone", async () => {
    for (const path of ["/admin/a1", "/settings/s1", "/auditor/a1"])
      expect((await call(await mintSvid(doors.authority, path), CHARGES)).code).toBe(7);
  });

  test("one identity does not leak into another connection's calls", async () => {
    const [host, settings] = await Promise.all([
      mintSvid(doors.authority, "/agent-host/h1"),
      mintSvid(doors.authority, "/settings/s1"),
    ]);
    const sessions = [host, settings].map((client) => openSession(port(), doors.authority.cert, client));
    const codes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => {
        const session = sessions[index % 2];
        return session === undefined ? -1 : callRaw(session, BALANCE).then((answer) => answer.code);
      }),
    );
    for (const session of sessions) session.destroy();
    expect(codes).toEqual(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 7 : 0)));
  });
});
