import { timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { type AccountEvent, AccountEventKind } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import type { WatchAccountsResponse } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { startProviderSimulators } from "../simulators/start.ts";
import { type Clients, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { DOORS, endSurely, furnish, type House, nano, openHouse } from "./house.ts";
import { refused } from "./refusal.ts";

const AN_HOUR_MS = 3_600_000;
const CREDIT = 1_000_000_000n;
let house: House;

beforeAll(async () => {
  house = await openHouse({ PLORI_CREDITS_LOW_UNITS: "12.5", PLORI_OVERDRAFT_LIMIT_UNITS: "2" });
});
afterAll(() => house.close());

/** An hour of a quarter of so many credits' worth of processors. */
function compute(account: string, usageId: string, credits: bigint) {
  const value = { vcpuMilliseconds: (credits * 3_600_000n) / 4n, memoryMibMilliseconds: 0n };
  return { usageId, account, agent: "agent", occurTime: timestampNow(), kind: { case: "compute" as const, value } };
}

const spend = (recorder: Clients, account: string, usageId: string, credits: bigint) =>
  recorder.ledger.recordUsage({ records: [compute(account, usageId, credits)] });

/** A watcher that stands: its first message has come. */
async function watch(clients: Clients, request: { accounts?: string[]; resumeToken?: string }) {
  const controller = new AbortController();
  const stream = clients.ledger.watchAccounts(request, { signal: controller.signal })[Symbol.asyncIterator]();
  const next = async (): Promise<WatchAccountsResponse> => {
    const { value, done } = await stream.next();
    if (done === true) throw new Error("the stream ended");
    return value;
  };
  let { resumeToken, events, missed } = await next();
  expect(events).toEqual([]);
  const waiting: AccountEvent[] = [];
  return {
    missed,
    token: () => resumeToken,
    /** The next event; signs of life are passed over. */
    async event(): Promise<AccountEvent> {
      while (waiting.length === 0) {
        ({ resumeToken, events, missed } = await next());
        waiting.push(...events);
      }
      return waiting.shift() as AccountEvent;
    },
    async heartbeat(): Promise<void> {
      ({ resumeToken, events, missed } = await next());
      expect(events).toEqual([]);
    },
    stop: () => controller.abort(),
  };
}

test.each(DOORS)("credits that run low, out and come back reach a watcher as they do (%s)", async (door) => {
  const account = `spender-${door}`;
  const watcher = await watch(house.as("settings", door), { accounts: [account] });
  await house.grant(account, { units: 20n });
  await spend(house.as("recorder"), account, "u1", 8n);
  const low = await watcher.event();
  expect(low).toMatchObject({ account, kind: AccountEventKind.CREDITS_LOW });
  expect([nano(low.credits?.available), nano(low.credits?.overdraft)]).toEqual([12n * CREDIT, 0n]);
  await spend(house.as("recorder"), account, "u2", 13n);
  const out = await watcher.event();
  expect(out.kind).toBe(AccountEventKind.CREDITS_EXHAUSTED);
  expect([nano(out.credits?.available), nano(out.credits?.overdraft)]).toEqual([0n, CREDIT]);
  await house.grant(account, { units: 50n });
  const back = await watcher.event();
  expect(back.kind).toBe(AccountEventKind.CREDITS_RESTORED);
  expect(nano(back.credits?.available)).toBe(49n * CREDIT);
  watcher.stop();
});

test("a key that is connected, found dead and removed reaches a watcher, with nothing of the key", async () => {
  const watcher = await watch(house.as("scheduler"), { accounts: ["keeper"] });
  const secret = await house.connectOwn("keeper", "groq");
  const key = { key: "accounts/keeper/keys/groq", provider: Provider.GROQ, version: 1n };
  const connected = await watcher.event();
  expect(connected.keyState).toMatchObject({ ...key, oldState: KeyState.UNSPECIFIED, newState: KeyState.ACTIVE });
  house.simulators.groq.revoke(secret);
  await house.as("settings").keyVault.verifyKey({ account: "keeper", provider: Provider.GROQ });
  const dead = await watcher.event();
  expect(dead).toMatchObject({ account: "keeper", kind: AccountEventKind.KEY_STATE_CHANGED });
  expect(dead.keyState).toMatchObject({ ...key, oldState: KeyState.ACTIVE, newState: KeyState.DEAD });
  expect(JSON.stringify(dead.keyState?.stateReason)).not.toContain(secret.slice(-4));
  await house.as("settings").keyVault.deleteKey({ account: "keeper", provider: Provider.GROQ });
  expect((await watcher.event()).keyState).toMatchObject({ oldState: KeyState.DEAD, newState: KeyState.UNSPECIFIED });
  watcher.stop();
});

test("plori's own keys are told of to admins alone", async () => {
  const admin = await watch(house.as("admin"), { accounts: ["platform"] });
  const settings = await watch(house.as("settings"), {});
  await house.connectOwn("platform", "xai");
  await house.connectOwn("own", "xai");
  expect((await admin.event()).account).toBe("platform");
  expect((await settings.event()).account).toBe("own");
  for (const watcher of [admin, settings]) watcher.stop();
  const named = house.as("settings").ledger.watchAccounts({ accounts: ["platform"] });
  expect(await refused(named[Symbol.asyncIterator]().next())).toMatchObject({ fields: ["accounts[0]"] });
});

test("a watcher to whom nothing happens gets a sign of life", async () => {
  const watcher = await watch(house.as("settings"), { accounts: ["nobody"] });
  await watcher.heartbeat();
  watcher.stop();
}, 15_000);

test("compute is refused to accounts past their overdraft limit, renewals too, until they have credits again", async () => {
  const { router } = house.as("scheduler");
  const expireTime = timestampFromMs(Date.now() + AN_HOUR_MS);
  const placement = (account: string) => ({
    account,
    agent: "agent",
    host: "agent-host-1",
    generation: 1n,
    expireTime,
  });
  await router.placeAgents({ placements: [placement("debtor")] });
  await spend(house.as("recorder"), "debtor", "u1", 2n);
  await router.placeAgents({ placements: [placement("debtor")] });
  await spend(house.as("recorder"), "debtor", "u2", 1n);
  for (const placements of [[placement("debtor")], [placement("solvent"), placement("debtor")]]) {
    expect(await refused(router.placeAgents({ placements }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "CREDITS_EXHAUSTED",
      metadata: { accounts: "debtor", account_count: "1", overdraft_limit: "2.000000000" },
      retryMs: undefined,
    });
  }
  await house.grant("debtor", { units: 1n });
  await router.placeAgents({ placements: [placement("solvent"), placement("debtor")] });
});

test("what was committed and not yet told when the process was killed is told after the restart, without a gap", async () => {
  const directory = temporaryDirectory();
  const simulators = await startProviderSimulators();
  const options = { dataDir: directory.path, providerUrls: simulators.providerUrlsJson };
  const first = await startService(options);
  const before = furnish(first, simulators);
  const watcher = await watch(before.as("settings"), {});
  await before.grant("a1", { units: 1n });
  expect((await watcher.event()).account).toBe("a1");
  const token = watcher.token();
  watcher.stop();
  await Promise.all(["b1", "b2", "b3"].map((account) => before.grant(account, { units: 1n })));
  await first.end("SIGKILL");
  const second = await startService(options);
  try {
    const after = furnish(second, simulators);
    const again = await watch(after.as("settings"), { resumeToken: token });
    expect(again.missed).toBe(false);
    const heard = [await again.event(), await again.event(), await again.event()];
    expect(heard.map(({ account }) => account).toSorted()).toEqual(["b1", "b2", "b3"]);
    await after.grant("b4", { units: 1n });
    expect((await again.event()).account).toBe("b4");
    again.stop();
  } finally {
    await endSurely(second);
    await simulators.close();
    directory.remove();
  }
}, 60_000);
