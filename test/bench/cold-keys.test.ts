import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { refusedCall } from "../support/refused.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { addColdKeys } from "./cold-keys.ts";
import { connectKeys, placeAgents } from "./prepare.ts";

const HOT = ["byok-00000", "byok-00001", "byok-00002"];
const COLD = 1_234;

const directory = temporaryDirectory();
let simulators: ProviderSimulators;
let service: ServiceProcess;
beforeAll(async () => {
  simulators = await startProviderSimulators();
  service = await start();
  await connectKeys(service, simulators, HOT);
  await placeAgents(service, HOT);
  await service.end();
  addColdKeys(join(directory.path, "plori.db"), HOT, COLD);
  service = await start();
});
afterAll(async () => {
  await service.end();
  await simulators.close();
  directory.remove();
});

function start(): Promise<ServiceProcess> {
  return startService({ dataDir: directory.path, providerUrls: simulators.providerUrlsJson });
}

test("beside cold keys the hot ones still serve, and the audit is whole", async () => {
  for (const account of HOT) {
    const wanted = { account, agent: `agent-of-${account}`, model: "openai/gpt-5.5", callId: "c1" };
    const { route } = await service.as("agent-host-1").router.resolveRoute(wanted);
    expect(route?.credential.length).toBeGreaterThan(0);
  }
  let verified = 0n;
  let intact = false;
  for await (const progress of service.as("auditor").keyVault.verifyAudit({})) {
    verified = progress.verifiedCount;
    intact = progress.intact;
  }
  expect(intact).toBe(true);
  // A data key and a key each.
  expect(verified).toBeGreaterThan(BigInt(2 * COLD));
});

test("a cold key is listed like any other, and opens for nobody", async () => {
  const account = `${HOT[1]}.0000000`;
  const { keys } = await service.as("auditor").keyVault.listKeys({ account });
  expect(keys).toMatchObject([{ state: KeyState.ACTIVE, version: 1n }]);
  const expireTime = timestampFromMs(Date.now() + 3_600_000);
  const placement = { account, agent: "agent", host: "agent-host-1", generation: 1n, expireTime };
  await service.as("scheduler").router.placeAgents({ placements: [placement] });
  const wanted = { account, agent: "agent", model: "openai/gpt-5.5", callId: "c1" };
  const refused = await refusedCall(service.as("agent-host-1").router.resolveRoute(wanted));
  expect(["KEY_UNREADABLE", "RECORD_CORRUPT"]).toContain(refused.reason);
});
