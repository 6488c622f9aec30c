import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type RevocationWatch, watchRevocations } from "../support/revocation-watch.ts";
import { DOORS, type DoorName, given, type House, openHouse } from "./house.ts";
import { refused } from "./refusal.ts";

const A_MINUTE_MS = 60_000;

let house: House;
const watches: RevocationWatch[] = [];
beforeAll(async () => {
  house = await openHouse();
});
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop();
});
afterAll(() => house.close());

async function watch(
  host: "agent-host-1" | "agent-host-2" = "agent-host-1",
  door: DoorName = "grpc",
  resumeToken = "",
) {
  const opened = await watchRevocations(house.as(host, door).router, { resumeToken });
  watches.push(opened);
  return opened;
}

/** An account with an OpenAI key and an agent on agent-host-1, which holds a lease. */
async function leaseFor(account: string) {
  await house.connectOwn(account, "openai");
  await house.place(account, "agent");
  const route = await house.resolve({ account, model: "openai/gpt-5.5", callId: `${account}-1` });
  expect(route.reuseUntilTime).toBeDefined();
  return route;
}

describe.each(DOORS)("by the %s door", (door) => {
  test("the stream says at once where it stands, and is told of nothing that was before", async () => {
    await leaseFor(`before-${door}`);
    await house.as("settings").keyVault.deleteKey({ account: `before-${door}`, provider: Provider.OPENAI });
    const stream = await watch("agent-host-1", door);
    expect(stream.messages[0]).toMatchObject({ revocations: [], everything: false });
    expect(stream.token).toMatch(/^.{1,128}$/);
  });

  test("a key that was removed reaches the host that holds a lease, and no other", async () => {
    const account = `deleted-${door}`;
    await leaseFor(account);
    const stream = await watch("agent-host-1", door);
    const other = await watch("agent-host-2", door);
    await house.as("settings").keyVault.deleteKey({ account, provider: Provider.OPENAI });
    await stream.untilTold(`KEY_DELETED ${account} * accounts/${account}/keys/openai v1`);
    // The other host's next message of its own proves that nothing came before it.
    await house.place(`other-${door}`, "agent", "agent-host-2");
    await house.as("scheduler").router.removeAgents({ agents: [{ account: `other-${door}`, agent: "agent" }] });
    await other.untilTold(`AGENT_REMOVED other-${door} agent *`);
    expect(other.told).toEqual([`AGENT_REMOVED other-${door} agent *`]);
    expect(stream.told).toEqual([`KEY_DELETED ${account} * accounts/${account}/keys/openai v1`]);
  });
});

test("a key that was replaced is told with the version that it was", async () => {
  await leaseFor("replaced");
  const stream = await watch();
  await house.connectOwn("replaced", "openai");
  await stream.untilTold("KEY_REPLACED replaced * accounts/replaced/keys/openai v1");
});

test("a key that our own probe found dead is told, once", async () => {
  const route = await leaseFor("dead");
  const stream = await watch();
  house.simulators.openai.revoke(Buffer.from(route.credential).toString());
  await house.as("agent-host-1").router.reportOutcome({ route: route.route, callId: "dead-1", httpStatus: 401 });
  await stream.untilTold("KEY_FAILED dead * accounts/dead/keys/openai v1");
  await house.as("settings").keyVault.verifyKey({ account: "dead", provider: Provider.OPENAI });
  await house.as("settings").keyVault.deleteKey({ account: "dead", provider: Provider.OPENAI });
  await stream.untilTold("KEY_DELETED dead * accounts/dead/keys/openai v1");
  expect(stream.told.filter((line) => line.startsWith("KEY_FAILED"))).toHaveLength(1);
});

test("an agent that was taken away, moved, or is to end sooner is told to the host that it leaves", async () => {
  await leaseFor("placed");
  const [stream, other] = [await watch(), await watch("agent-host-2")];
  const soon = timestampFromMs(Date.now() + A_MINUTE_MS);
  const sooner = { account: "placed", agent: "agent", host: "agent-host-1", generation: 1n, expireTime: soon };
  await house.as("scheduler").router.placeAgents({ placements: [sooner] });
  await stream.untilTold("AGENT_REMOVED placed agent *");
  await house.place("placed", "agent", "agent-host-2", 2n);
  await stream.untilTold("AGENT_MOVED placed agent *");
  await house.as("scheduler").router.removeAgents({ agents: [{ account: "placed", agent: "agent" }] });
  await other.untilTold("AGENT_REMOVED placed agent *");
  expect(stream.told).toEqual(["AGENT_REMOVED placed agent *", "AGENT_MOVED placed agent *"]);
  const denied = house.resolve({
    account: "placed",
    model: "openai/gpt-5.5",
    callId: "placed-2",
    host: "agent-host-2",
  });
  expect(await refused(denied)).toMatchObject({ reason: "AGENT_NOT_PLACED" });
});

test("an account that was destroyed is told to every host that runs an agent of it", async () => {
  await leaseFor("shredded");
  await house.place("shredded", "agent-2", "agent-host-2");
  const [stream, other] = [await watch(), await watch("agent-host-2")];
  const { keyVault } = house.as("admin");
  const { etag } = await keyVault.shredAccount({ account: "shredded", validateOnly: true });
  await keyVault.shredAccount({ account: "shredded", etag, confirmation: "shred shredded" });
  await stream.untilTold("ACCOUNT_SHREDDED shredded * *");
  await other.untilTold("ACCOUNT_SHREDDED shredded * *");
});

test("what was revoked while the host was away is told when it comes back, in order, and nothing twice", async () => {
  await leaseFor("away-1");
  await leaseFor("away-2");
  await leaseFor("away-3");
  const stream = await watch();
  const remove = (account: string) => house.as("settings").keyVault.deleteKey({ account, provider: Provider.OPENAI });
  await remove("away-1");
  await stream.untilTold("KEY_DELETED away-1 * accounts/away-1/keys/openai v1");
  await stream.stop();
  await remove("away-2");
  const resumed = await watch("agent-host-1", "grpc", stream.token);
  await remove("away-3");
  await resumed.untilTold("KEY_DELETED away-3 * accounts/away-3/keys/openai v1");
  expect(resumed.told).toEqual([
    "KEY_DELETED away-2 * accounts/away-2/keys/openai v1",
    "KEY_DELETED away-3 * accounts/away-3/keys/openai v1",
  ]);
  expect(resumed.messages.some(({ everything }) => everything)).toBe(false);
});

test("a silent stream gives a sign of life, whose token goes on without a gap", async () => {
  await leaseFor("silent");
  const stream = await watch();
  await stream.until((message) => message !== stream.messages[0]);
  const heartbeat = given(stream.messages[1]);
  expect(heartbeat).toMatchObject({ revocations: [], everything: false });
  await stream.stop();
  await house.as("settings").keyVault.deleteKey({ account: "silent", provider: Provider.OPENAI });
  const resumed = await watch("agent-host-1", "grpc", heartbeat.resumeToken);
  await resumed.untilTold("KEY_DELETED silent * accounts/silent/keys/openai v1");
}, 20_000);

test("a token from ahead of the database is answered with: stop using every lease", async () => {
  const stream = await watch("agent-host-1", "grpc", "999999999999999999");
  expect(stream.messages[0]).toMatchObject({ everything: true, revocations: [] });
});

test.each(["x", "-1", "1".repeat(19), "1".repeat(200)])("the token %s is refused", async (resumeToken) => {
  const attempt = watchRevocations(house.as("agent-host-1").router, { resumeToken });
  expect(await refused(attempt)).toMatchObject({ reason: "FIELDS_INVALID", fields: ["resume_token"] });
});

test("no role but an agent host's may watch", async () => {
  for (const caller of ["admin", "settings", "scheduler", "auditor"] as const) {
    expect(await refused(watchRevocations(house.as(caller).router))).toMatchObject({ reason: "ROLE_NOT_ALLOWED" });
  }
});
