import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { openCuttingProxy } from "../support/cutting-proxy.ts";
import { createGrpcJsTransport } from "../support/grpc-transport.ts";
import { watchRevocations } from "../support/revocation-watch.ts";
import { clientsOver, type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { endSurely } from "./house.ts";
import { refused } from "./refusal.ts";

const TEN_MINUTES_MS = 600_000;
const HOST_ID = "spiffe://dev.plori.internal/agent-host/agent-host-1";

let simulators: ProviderSimulators;
let directory: ReturnType<typeof temporaryDirectory>;
let service: ServiceProcess;

const start = () => startService({ dataDir: directory.path, providerUrls: simulators.providerUrlsJson });

beforeEach(async () => {
  directory = temporaryDirectory();
  simulators = await startProviderSimulators();
  service = await start();
});
afterEach(async () => {
  await endSurely(service);
  await simulators.close();
  directory.remove();
});

/** An account with an OpenAI key and an agent on agent-host-1. */
async function connect(account: string): Promise<void> {
  const secret = simulators.openai.mintKey();
  await service.as("settings").keyVault.connectKey({ account, provider: Provider.OPENAI, secret });
  const expireTime = timestampFromMs(Date.now() + TEN_MINUTES_MS);
  const placement = { account, agent: "agent", host: "agent-host-1", generation: 1n, expireTime };
  await service.as("scheduler").router.placeAgents({ placements: [placement] });
}

const remove = (account: string) => service.as("settings").keyVault.deleteKey({ account, provider: Provider.OPENAI });
const told = (account: string) => `KEY_DELETED ${account} * accounts/${account}/keys/openai v1`;

test("a revocation that was committed and not delivered when the process was killed is told after the restart", async () => {
  await connect("a1");
  await connect("a2");
  const stream = await watchRevocations(service.as("agent-host-1").router);
  await remove("a1");
  await stream.untilTold(told("a1"));
  const { token } = stream;
  await stream.stop();
  await remove("a2");
  await service.end("SIGKILL");
  service = await start();
  const resumed = await watchRevocations(service.as("agent-host-1").router, { resumeToken: token });
  await resumed.untilTold(told("a2"));
  expect(resumed.told).toEqual([told("a2")]);
  expect(resumed.messages.some(({ everything }) => everything)).toBe(false);
  await resumed.stop();
});

test("a connection that is cut between two revocations loses none: each stream goes on where the one before was", async () => {
  const accounts = Array.from({ length: 8 }, (_, n) => `a${n}`);
  for (const account of accounts) await connect(account);
  const proxy = await openCuttingProxy(service.grpcPort);
  try {
    const heard: string[] = [];
    let token = "";
    for (const [n, account] of accounts.entries()) {
      // A client of its own, so that no other call's connection is cut.
      const { router } = clientsOver(createGrpcJsTransport(proxy.port, service.pem("agent-host-1")));
      const stream = await watchRevocations(router, { resumeToken: token });
      // Whether the cut comes before or after the delivery is the network's choice: either way the next stream goes on from what was heard.
      if (n % 2 === 0) {
        proxy.cut();
        await remove(account);
      } else {
        await remove(account);
        proxy.cut();
      }
      expect(await stream.ended).toBeInstanceOf(Error);
      heard.push(...stream.told);
      ({ token } = stream);
    }
    const last = await watchRevocations(service.as("agent-host-1").router, { resumeToken: token });
    const rest = accounts.map(told).filter((line) => !heard.includes(line));
    for (const line of rest) await last.untilTold(line);
    expect([...heard, ...last.told]).toEqual(accounts.map(told));
    await last.stop();
  } finally {
    await proxy.close();
  }
});

test("a token from before everything that is still kept is answered with: stop using every lease", async () => {
  await connect("a1");
  await connect("a2");
  const stream = await watchRevocations(service.as("agent-host-1").router);
  const { token } = stream;
  await stream.stop();
  await remove("a1");
  await service.end();
  const db = new Database(join(directory.path, "plori.db"));
  db.prepare("UPDATE revocation SET time_ms = time_ms - ?").run(TEN_MINUTES_MS);
  db.close();
  service = await start();
  // The first sweep is part of the start, but not waited for.
  await expect
    .poll(async () => {
      const resumed = await watchRevocations(service.as("agent-host-1").router, { resumeToken: token });
      await resumed.until((message) => message.everything || message.revocations.length > 0);
      await resumed.stop();
      return resumed.messages.some(({ everything }) => everything);
    })
    .toBe(true);
  const resumed = await watchRevocations(service.as("agent-host-1").router, { resumeToken: token });
  await resumed.until(({ everything }) => everything);
  await remove("a2");
  await resumed.untilTold(told("a2"));
  expect(resumed.told).toEqual([told("a2")]);
  await resumed.stop();
});

test("a block survives a restart, also of a process that was killed right after it", async () => {
  await connect("a1");
  await service.as("admin").router.blockIdentity({ spiffeId: HOST_ID, reason: "stolen" });
  await service.end("SIGKILL");
  service = await start();
  const blocked = watchRevocations(service.as("agent-host-1").router);
  expect(await refused(blocked)).toMatchObject({ code: "Unauthenticated", metadata: { rule: "BLOCKED" } });
  await service.as("admin").router.unblockIdentity({ spiffeId: HOST_ID });
  const fresh = await watchRevocations(service.as("agent-host-1").router);
  await fresh.stop();
});
