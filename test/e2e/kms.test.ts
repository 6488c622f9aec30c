import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DevelopmentKms, startDevelopmentKms } from "../../src/kms/development.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { callOnce } from "../support/raw-call.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { endSurely, furnish, type House } from "./house.ts";
import { refused } from "./refusal.ts";
import { FREE_PORTS, runMain } from "./run-main.ts";

const MODEL = "openai/gpt-5.5";
const UNKNOWN_KEY_ID = "11111111-2222-3333-4444-555555555555";
/** Until the first question is asked again, with room for a slow machine. */
const READY_MAX_MS = 20_000;

let simulators: ProviderSimulators;
let directory: ReturnType<typeof temporaryDirectory>;
const open: { end(): Promise<unknown> }[] = [];

beforeAll(async () => {
  simulators = await startProviderSimulators();
});
afterAll(() => simulators.close());
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.end();
  directory.remove();
});

async function openKms(): Promise<DevelopmentKms> {
  const kms = await startDevelopmentKms();
  open.push({ end: () => kms.close() });
  return kms;
}

/** As an operator points the service at a KMS: nothing of the development profile's own KMS is in the way. */
function kmsSettings(kms: DevelopmentKms, keyIds = kms.keyArn): Record<string, string> {
  return {
    PLORI_KMS_KEY_IDS: keyIds,
    AWS_ENDPOINT_URL_KMS: kms.endpoint,
    AWS_REGION: kms.region,
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
  };
}

async function openHouse(kms: DevelopmentKms, keyIds?: string): Promise<Omit<House, "close">> {
  const service = await startService({
    dataDir: directory.path,
    providerUrls: simulators.providerUrlsJson,
    env: kmsSettings(kms, keyIds),
  });
  open.push({ end: () => endSurely(service) });
  return furnish(service, simulators);
}

async function ask(service: ServiceProcess, path: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://127.0.0.1:${service.opsPort}${path}`);
  return { status: response.status, body: await response.text() };
}

/** 1 SERVING, 2 NOT_SERVING: the one field of the health protocol's answer. */
async function healthByBothDoors(service: ServiceProcess): Promise<number[]> {
  const pem = service.pem("auditor");
  const answers = await Promise.all(
    [service.grpcPort, service.connectPort].map((port) => callOnce(port, pem.ca, pem, "grpc.health.v1.Health/Check")),
  );
  return answers.map(({ body }) => body.at(-1) ?? 0);
}

describe("a KMS that is away at the start", () => {
  test("leaves the service live but not ready, which needs no restart once the KMS answers", async () => {
    const kms = await openKms();
    kms.control.inject({ kind: "reset" });
    const { service, connectOwn } = await openHouse(kms);
    expect(await ask(service, "/livez")).toMatchObject({ status: 200 });
    const notReady = await ask(service, "/readyz");
    expect(notReady.status).toBe(503);
    expect(notReady.body).toContain(kms.keyArn);
    expect(await healthByBothDoors(service)).toEqual([2, 2]);
    kms.control.heal();
    await expect.poll(async () => (await ask(service, "/readyz")).status, { timeout: READY_MAX_MS }).toBe(200);
    expect(await healthByBothDoors(service)).toEqual([1, 1]);
    await connectOwn("maya", "openai");
  });
});

describe("a KMS that goes away later", () => {
  test("is not noticed by accounts whose data key is in memory; others are told to retry, and the process stays up", async () => {
    const kms = await openKms();
    const house = await openHouse(kms);
    for (const account of ["warm", "cold"]) {
      await house.place(account, "agent");
      await house.connectOwn(account, "openai");
    }
    await house.service.end();
    // A new process has nothing in memory until it is asked.
    const again = await openHouse(kms);
    await again.resolve({ account: "warm", model: MODEL, callId: "c1" });
    kms.control.inject({ kind: "empty-503" });
    for (const door of ["grpc", "connect"] as const) {
      const warm = await again.resolve({ account: "warm", model: MODEL, callId: `c2-${door}`, door });
      expect(warm.credential.length).toBeGreaterThan(20);
      const refusal = await refused(again.resolve({ account: "cold", model: MODEL, callId: `c3-${door}`, door }));
      expect(refusal).toMatchObject({ code: "Unavailable", reason: "KMS_UNAVAILABLE" });
      expect(refusal.retryMs).toBeGreaterThan(0);
    }
    const secret = simulators.openai.mintKey();
    const connect = again.as("settings").keyVault.connectKey({ account: "new", provider: 2, secret });
    expect(await refused(connect)).toMatchObject({ code: "Unavailable", reason: "KMS_UNAVAILABLE" });
    // Removing a key never needs the KMS.
    await again.as("settings").keyVault.deleteKey({ account: "cold", provider: 2 });
    expect((await again.as("auditor").keyVault.listKeys({ account: "cold" })).keys).toEqual([]);
    expect(await ask(again.service, "/livez")).toMatchObject({ status: 200 });
    kms.control.heal();
    await expect
      .poll(() => again.connectOwn("new", "openai").then(() => "connected", String), {
        timeout: READY_MAX_MS,
        interval: 500,
      })
      .toBe("connected");
  });

  test("is never the reason to bill plori's credits instead of the user's key", async () => {
    const kms = await openKms();
    const house = await openHouse(kms);
    await house.place("maya", "agent");
    await house.grant("maya", { units: 100n });
    await house.connectOwn("maya", "openai");
    await house.connectOwn("platform", "openai");
    await house.service.end();
    const again = await openHouse(kms);
    kms.control.inject({ kind: "error", name: "ThrottlingException" });
    expect(await refused(again.resolve({ account: "maya", model: MODEL, callId: "c1" }))).toMatchObject({
      reason: "KMS_UNAVAILABLE",
    });
    const { balance } = await again.as("billing").ledger.getBalance({ account: "maya" });
    expect(balance?.held).toMatchObject({ units: 0n, nanos: 0 });
  });

  test("or answers that a key is disabled: the account's key is unreadable at once for who is not in memory", async () => {
    const kms = await openKms();
    const house = await openHouse(kms);
    await house.place("maya", "agent");
    await house.connectOwn("maya", "openai");
    await house.service.end();
    const second = kms.control.addKey();
    const again = await openHouse(kms, `${second},${kms.keyArn}`);
    await expect.poll(async () => (await ask(again.service, "/readyz")).status, { timeout: READY_MAX_MS }).toBe(200);
    kms.control.setState(kms.keyArn, "Disabled");
    expect(await refused(again.resolve({ account: "maya", model: MODEL, callId: "c1" }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "KEY_UNREADABLE",
    });
    // The installation's fingerprint key is under the disabled one too, and no key is stored that nobody could identify when it leaks.
    expect(await refused(again.connectOwn("other", "openai"))).toMatchObject({ reason: "KEY_UNREADABLE" });
  });
});

describe("a KMS key that may not be used", () => {
  test.each([
    ["disabled", (kms: DevelopmentKms) => kms.control.setState(kms.keyArn, "Disabled")],
    ["about to be deleted", (kms: DevelopmentKms) => kms.control.setState(kms.keyArn, "PendingDeletion")],
  ])("%s at the start: the process ends with a message that names the key, and a failure", async (_how, spoil) => {
    const kms = await openKms();
    spoil(kms);
    const { code, output } = await runMain(["--dev"], {
      ...FREE_PORTS,
      PLORI_DATA_DIR: directory.path,
      ...kmsSettings(kms),
    });
    expect(code).toBe(1);
    expect(output).toContain(`KMS key ${kms.keyArn} may not be used`);
  });

  test("unknown at the start: the process ends with a message that names the key, and a failure", async () => {
    const kms = await openKms();
    const { code, output } = await runMain(["--dev"], {
      ...FREE_PORTS,
      PLORI_DATA_DIR: directory.path,
      ...kmsSettings(kms, `${kms.keyArn},${UNKNOWN_KEY_ID}`),
    });
    expect(code).toBe(1);
    expect(output).toContain(`KMS key ${UNKNOWN_KEY_ID} may not be used`);
  });
});

test("the development profile's own KMS keeps its key across restarts, so that what was sealed still opens", async () => {
  mkdirSync(join(directory.path, "data"));
  const start = async () => {
    const service = await startService({
      dataDir: join(directory.path, "data"),
      providerUrls: simulators.providerUrlsJson,
    });
    open.push({ end: () => endSurely(service) });
    return furnish(service, simulators);
  };
  const house = await start();
  await house.place("maya", "agent");
  const secret = await house.connectOwn("maya", "openai");
  expect(await house.service.end()).toBe(0);
  const route = await (await start()).resolve({ account: "maya", model: MODEL, callId: "c1" });
  expect(Buffer.from(route.credential).toString()).toBe(secret);
});
