import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { watchRevocations } from "../support/revocation-watch.ts";
import type { CallerName, Clients } from "../support/service-process.ts";
import { readRows } from "./database.ts";
import { DOORS, type DoorName, type House, openHouse } from "./house.ts";
import { refused } from "./refusal.ts";

const TRUST_DOMAIN = "spiffe://dev.plori.internal";
const HOST_ID = `${TRUST_DOMAIN}/agent-host/agent-host-1`;
const BLOCKED = { code: "Unauthenticated", reason: "IDENTITY_INVALID", metadata: { rule: "BLOCKED" } };

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
beforeEach(async () => {
  await house
    .as("admin")
    .router.unblockIdentity({ spiffeId: HOST_ID })
    .catch(() => {});
});
afterAll(() => house.close());

const admin = (): Clients["router"] => house.as("admin").router;
/** A client with a connection of its own. */
const anew = (caller: CallerName, door: DoorName): Clients => house.service.as(caller, door);
const block = (reason = "stolen") => admin().blockIdentity({ spiffeId: HOST_ID, reason, actor: "alice" });

describe.each(DOORS)("by the %s door", (door) => {
  test("a blocked host's streams and connections end, nothing lets it in again, and other hosts notice nothing", async () => {
    const account = `stolen-${door}`;
    await house.place(account, "agent", "agent-host-1", 1n);
    await house.connectOwn(account, "openai");
    const host = anew("agent-host-1", door);
    const call = { account, agent: "agent", model: "openai/gpt-5.5" };
    await host.router.resolveRoute({ ...call, callId: "c-1" });
    const stream = await watchRevocations(host.router);
    const other = await watchRevocations(anew("agent-host-2", door).router);
    expect(await block()).toMatchObject({ endedPlacementCount: door === "grpc" ? 1 : expect.any(Number) });
    expect(await stream.ended).toBeInstanceOf(Error);
    for (const client of [host, anew("agent-host-1", door)]) {
      expect(await refused(client.router.resolveRoute({ ...call, callId: "c-2" }))).toMatchObject(BLOCKED);
      expect(await refused(client.ledger.recordUsage({ records: [] }))).toMatchObject(BLOCKED);
      // An RPC that no host may call is answered alike.
      expect(await refused(client.ledger.getBalance({ account }))).toMatchObject(BLOCKED);
    }
    await admin().unblockIdentity({ spiffeId: HOST_ID, reason: "found again" });
    const back = anew("agent-host-1", door);
    // Placements do not come back with the identity.
    expect(await refused(back.router.resolveRoute({ ...call, callId: "c-3" }))).toMatchObject({
      reason: "AGENT_NOT_PLACED",
    });
    const resumed = await watchRevocations(back.router, { resumeToken: stream.token });
    await resumed.until(({ everything }) => everything);
    expect(resumed.told).toEqual(["IDENTITY_BLOCKED * * *"]);
    expect(other.told).toEqual([]);
    await Promise.all([resumed.stop(), other.stop()]);
    await house.place(account, "agent", "agent-host-1", 2n);
    await back.router.resolveRoute({ ...call, callId: "c-4" });
  });
});

test("an identity that runs no agents is shut out as well", async () => {
  const spiffeId = `${TRUST_DOMAIN}/recorder/dev`;
  const { endedPlacementCount } = await admin().blockIdentity({ spiffeId, reason: "key lost" });
  expect(endedPlacementCount).toBe(0);
  expect(await refused(anew("recorder", "grpc").ledger.recordUsage({ records: [] }))).toMatchObject(BLOCKED);
  await admin().unblockIdentity({ spiffeId });
  const recorder = anew("recorder", "grpc");
  expect(await refused(recorder.ledger.recordUsage({ records: [] }))).toMatchObject({ reason: "FIELDS_INVALID" });
});

test("who is blocked, why and since when is listed; unblocking takes it off the list, once", async () => {
  await block("first");
  await admin().blockIdentity({ spiffeId: `${TRUST_DOMAIN}/settings/old`, reason: "second" });
  const { identityBlocks } = await house.as("auditor").router.listIdentityBlocks({});
  expect(identityBlocks.map(({ spiffeId, reason }) => [spiffeId, reason])).toEqual([
    [`${TRUST_DOMAIN}/settings/old`, "second"],
    [HOST_ID, "first"],
  ]);
  expect(identityBlocks[0]?.createTime).toBeDefined();
  const { nextPageToken } = await admin().listIdentityBlocks({ pageSize: 1 });
  const second = await admin().listIdentityBlocks({ pageSize: 1, pageToken: nextPageToken });
  expect(second.identityBlocks.map(({ spiffeId }) => spiffeId)).toEqual([HOST_ID]);
  await admin().unblockIdentity({ spiffeId: `${TRUST_DOMAIN}/settings/old` });
  const again = admin().unblockIdentity({ spiffeId: `${TRUST_DOMAIN}/settings/old` });
  expect(await refused(again)).toMatchObject({ code: "NotFound", reason: "IDENTITY_BLOCK_NOT_FOUND" });
});

test("a request id that is repeated gets the first answer and does nothing again, though the block was ended since", async () => {
  const request = { spiffeId: HOST_ID, reason: "stolen", requestId: "0190a3f0-0000-7000-8000-0000000000aa" };
  const first = await admin().blockIdentity(request);
  await admin().unblockIdentity({ spiffeId: HOST_ID });
  expect(await admin().blockIdentity(request)).toEqual(first);
  const stream = await watchRevocations(anew("agent-host-1", "grpc").router);
  await stream.stop();
  expect(await refused(admin().blockIdentity({ ...request, reason: "other" }))).toMatchObject({
    reason: "REQUEST_ID_CONFLICT",
    metadata: { differing_fields: "reason" },
  });
});

test("nobody blocks itself, and the audit knows who blocked and unblocked whom, and why", async () => {
  const own = admin().blockIdentity({ spiffeId: `${TRUST_DOMAIN}/admin/dev`, reason: "by mistake" });
  expect(await refused(own)).toMatchObject({ reason: "FIELDS_INVALID", fields: ["spiffe_id"] });
  await block("for the audit");
  await admin().unblockIdentity({ spiffeId: HOST_ID, reason: "found", actor: "bob" });
  const sql = "SELECT kind, caller, actor, details FROM audit WHERE kind LIKE 'identity.%' ORDER BY seq DESC LIMIT 2";
  const [last, before] = readRows(house.service.dataDir, sql);
  expect(last).toMatchObject({ kind: "identity.unblocked", caller: `${TRUST_DOMAIN}/admin/dev`, actor: "bob" });
  expect(before).toMatchObject({ kind: "identity.blocked", actor: "alice" });
  expect(JSON.parse(String(before?.["details"]))).toMatchObject({ host: "agent-host-1", reason: "for the audit" });
});
