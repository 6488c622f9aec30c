import { request as httpsRequest } from "node:https";
import type { Message } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type DevelopmentKms, startDevelopmentKms } from "../../src/kms/development.ts";
import { holdsTrace, searchDirectory, tracesOf } from "../demo/key-search.ts";
import type { Fault } from "../simulators/fault.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { callOnce } from "../support/raw-call.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { callRecord, DOORS, endSurely, furnish, type House, PROVIDER_NUMBER, type SimulatedProvider } from "./house.ts";

const PROVIDERS = Object.keys(PROVIDER_NUMBER) as SimulatedProvider[];
const MODELS: Readonly<Record<SimulatedProvider, string>> = {
  openrouter: "anthropic/claude-opus-4.8",
  openai: "openai/gpt-5.5",
  deepseek: "deepseek/deepseek-v4-pro",
  groq: "groq::openai/gpt-oss-120b",
  xai: "x-ai/grok-4.3",
  together: "meta-llama/llama-3.3-70b-instruct",
};

/** Every key that was ever sent to the service. */
const keys = new Set<string>();
/** Everything that callers were told, but for the one field that is meant to hold a key. */
const told: Buffer[] = [];

let simulators: ProviderSimulators;
let kms: DevelopmentKms;
let directory: ReturnType<typeof temporaryDirectory>;
let service: ServiceProcess;
let house: Omit<House, "close">;

beforeAll(async () => {
  directory = temporaryDirectory();
  simulators = await startProviderSimulators();
  kms = await startDevelopmentKms();
  service = await startService({
    dataDir: directory.path,
    providerUrls: simulators.providerUrlsJson,
    env: {
      PLORI_LOG_LEVEL: "debug",
      PLORI_KMS_KEY_IDS: kms.keyArn,
      AWS_ENDPOINT_URL_KMS: kms.endpoint,
      AWS_REGION: kms.region,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    },
  });
  house = furnish(service, simulators);
});
afterAll(async () => {
  await endSurely(service);
  await kms.close();
  await simulators.close();
  directory.remove();
});

function newKey(provider: SimulatedProvider): string {
  const key = simulators[provider].mintKey();
  keys.add(key);
  return key;
}

function hear(what: unknown): void {
  const plain = (_name: string, value: unknown): unknown => {
    if (typeof value === "bigint") return String(value);
    return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
  };
  told.push(Buffer.from(JSON.stringify(what, plain) ?? "", "latin1"));
}

/** Makes a call and keeps what it told, whether it succeeded or not. Returns whether it did. */
async function listen(call: Promise<Message>): Promise<boolean> {
  try {
    hear(await call);
    return true;
  } catch (error) {
    const { rawMessage, details, metadata, stack } = ConnectError.from(error);
    hear([rawMessage, details, [...metadata], stack]);
    return false;
  }
}

/** Sends text as it is to the Connect door, as a caller of JSON would. */
function postJson(path: string, body: string): Promise<string> {
  const pem = service.pem("settings");
  return new Promise((resolve, reject) => {
    const asked = httpsRequest(
      {
        host: "localhost",
        port: service.connectPort,
        method: "POST",
        path: `/${path}`,
        headers: { "content-type": "application/json" },
        ...pem,
      },
      (response) => {
        let answer = "";
        response.setEncoding("utf8").on("data", (text: string) => {
          answer += text;
        });
        response.on("end", () => resolve(`${JSON.stringify(response.rawHeaders)} ${answer}`));
      },
    );
    asked.on("error", reject);
    asked.end(body);
  });
}

async function expectNowhere(): Promise<void> {
  const traces = tracesOf(keys);
  const metrics = await fetch(`http://127.0.0.1:${service.opsPort}/metrics`).then((response) => response.text());
  expect(metrics).toContain("plori_calls_total");
  expect(holdsTrace(metrics, traces)).toBe(false);
  expect(told.filter((text) => holdsTrace(text, traces)).map(String)).toEqual([]);
  expectNotOnDisk();
}

function expectNotOnDisk(): void {
  const traces = tracesOf(keys);
  const search = searchDirectory(directory.path, traces);
  expect(search.files).toBeGreaterThan(10);
  expect(search.found).toEqual([]);
  expect(service.output()).toContain("serving");
  expect(holdsTrace(service.output(), traces)).toBe(false);
}

describe("no key, nor twelve characters of one, stands in a file, a log, a metric or an answer", () => {
  test("while keys are connected, listed, resolved by both doors, replaced and removed", async () => {
    for (const provider of PROVIDERS) {
      const account = `user-of-${provider}`;
      await house.place(account, "agent");
      const settings = house.as("settings", "connect").keyVault;
      for (let version = 0; version < 2; version += 1) {
        const secret = newKey(provider);
        const wanted = { account, provider: PROVIDER_NUMBER[provider], secret };
        expect(await listen(settings.connectKey(wanted))).toBe(true);
        for (const door of DOORS) {
          const callId = `c-${provider}-${version}-${door}`;
          const route = await house.resolve({ account, model: MODELS[provider], callId, door });
          // The search would see a key where there is one.
          expect(holdsTrace(Buffer.from(route.credential), tracesOf([secret]))).toBe(true);
          hear({ ...route, credential: undefined });
          const record = callRecord(
            { account, usageId: callId, route: route.route, callId },
            { inputUncachedTokens: 5n, outputTokens: 5n },
          );
          expect(await listen(house.as("agent-host-1", door).ledger.recordUsage({ records: [record] }))).toBe(true);
        }
        await listen(house.as("auditor").router.explainRoute({ account, model: MODELS[provider] }));
        await listen(house.as("auditor").keyVault.listKeys({ account }));
        await listen(house.as("auditor").router.listModels({ account }));
      }
      expect(await listen(settings.deleteKey({ account, provider: PROVIDER_NUMBER[provider] }))).toBe(true);
    }
    await expectNowhere();
  });

  test("while keys are refused: dead, mistyped, another provider's, cut in two lines, in the wrong field", async () => {
    for (const provider of PROVIDERS) {
      for (const door of DOORS) {
        const { keyVault } = house.as("settings", door);
        const account = `refused-${provider}-${door}`;
        const number = PROVIDER_NUMBER[provider];
        const dead = newKey(provider);
        simulators[provider].revoke(dead);
        const fine = newKey(provider);
        const another = newKey(provider === "groq" ? "xai" : "groq");
        const calls = [
          keyVault.connectKey({ account, provider: number, secret: dead }),
          keyVault.connectKey({ account, provider: number, secret: `${fine.slice(0, -3)}xyz` }),
          keyVault.connectKey({ account, provider: number, secret: another }),
          keyVault.connectKey({ account, provider: number, secret: `${fine}\n${fine}` }),
          keyVault.connectKey({ account: fine, provider: number, secret: "" }),
          keyVault.connectKey({ account, provider: number, secret: fine, requestId: fine }),
          keyVault.getKey({ account: `/${fine}`, provider: number }),
          keyVault.listKeys({ account, pageToken: fine }),
        ];
        expect(await Promise.all(calls.map(listen))).toEqual(calls.map(() => false));
      }
    }
    await expectNowhere();
  });

  test("while requests do not parse", async () => {
    const path = "plori.keyvault.v1.KeyVaultService/ConnectKey";
    const secret = newKey("openai");
    for (const body of [
      `{"account":"maya","provider":"PROVIDER_OPENAI","secret":"${secret}"`,
      `{"account":"maya","provider":"${secret}"}`,
      `{"${secret}":"maya"}`,
      `{"secret":{"key":"${secret}"}}`,
      secret,
    ]) {
      const answer = await postJson(path, body);
      expect(answer).toContain("invalid_argument");
      hear(answer);
    }
    const pem = service.pem("settings");
    for (const port of [service.grpcPort, service.connectPort]) {
      hear(await callOnce(port, pem.ca, pem, path, Buffer.from(`\u00ff${secret}`, "latin1")));
    }
    await expectNowhere();
  });

  test("while providers echo the key in their answers", async () => {
    for (const provider of PROVIDERS) {
      const secret = newKey(provider);
      const echo = { error: { message: `bad key ${secret}`, code: secret }, code: secret, data: { label: secret } };
      const faults: readonly Fault[] = [
        { kind: "status", status: 401, body: echo },
        { kind: "status", status: 403, body: echo },
        { kind: "status", status: 500, body: echo },
        { kind: "status", status: 200, body: echo },
        { kind: "text", status: 200, body: `"${secret}` },
        { kind: "redirect", to: `http://127.0.0.1:9/${secret}` },
      ];
      for (const [index, fault] of faults.entries()) {
        simulators[provider].setFault(fault);
        const wanted = { account: `echo-${provider}-${index}`, provider: PROVIDER_NUMBER[provider], secret };
        await listen(house.as("settings").keyVault.connectKey({ ...wanted, allowUnverified: index % 2 === 0 }));
        await listen(house.as("auditor").keyVault.getKey(wanted));
      }
      simulators[provider].setFault(undefined);
    }
    await expectNowhere();
  });

  test("while the KMS fails, and quotes a key at that", async () => {
    const secret = newKey("openai");
    const faults = [
      { kind: "error", name: "KMSInternalException", message: `failed on ${secret}` },
      { kind: "error", name: secret.slice(0, 40).replaceAll(/\W/g, ""), message: secret },
      { kind: "html-502" },
      { kind: "empty-object" },
      { kind: "error", name: "AccessDeniedException", message: secret },
    ] as const;
    for (const [index, fault] of faults.entries()) {
      kms.control.inject(fault);
      const wanted = { account: `kms-${index}`, provider: Provider.OPENAI, secret };
      expect(await listen(house.as("settings").keyVault.connectKey(wanted))).toBe(false);
    }
    kms.control.heal();
    await expectNowhere();
  });

  test("after the service has ended and everything lies on disk", async () => {
    expect(await service.end()).toBe(0);
    expectNotOnDisk();
  });
});
