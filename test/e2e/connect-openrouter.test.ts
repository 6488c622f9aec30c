import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KeySource, KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { approve } from "../simulators/consent.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { refusedCall } from "../support/refused.ts";
import { type CallerName, type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const CALLBACK = "https://app.example/settings/connected?tab=keys";
const EXCHANGE_PATH = "/api/v1/auth/keys";

const directory = temporaryDirectory();
let simulators: ProviderSimulators;
let service: ServiceProcess;
let written = "";

beforeAll(async () => {
  simulators = await startProviderSimulators();
  service = await start();
});
afterAll(async () => {
  await service.end();
  await simulators.close();
  directory.remove();
});

function start(): Promise<ServiceProcess> {
  return startService({
    dataDir: directory.path,
    providerUrls: simulators.providerUrlsJson,
    env: { PLORI_CONNECT_CALLBACKS: "https://app.example", PLORI_LOG_LEVEL: "debug" },
  });
}

async function restart(signal: NodeJS.Signals): Promise<void> {
  await service.end(signal);
  written += service.output();
  service = await start();
}

const settings = (door?: "grpc" | "connect") => service.as("settings", door).keyVault;
const consent = () => simulators.openrouter.consent;
const exchanges = () => simulators.openrouter.requests.filter(({ path }) => path === EXCHANGE_PATH).length;

async function approved(account: string): Promise<{ account: string; connectId: string; code: string }> {
  const begun = await settings("connect").beginOpenRouterConnect({ account, callbackUrl: CALLBACK, actor: "user-1" });
  const { connectId, code } = await approve(begun.authorizationUrl);
  expect(connectId).toBe(begun.connectId);
  return { account, connectId, code };
}

test("R3: the user approves at OpenRouter, and the key that was minted there serves an agent without ever having been shown", async () => {
  const account = "maya";
  const { key } = await settings().completeOpenRouterConnect(await approved(account));
  expect(key).toMatchObject({ provider: Provider.OPENROUTER, source: KeySource.ONE_CLICK, state: KeyState.ACTIVE });
  expect((await settings().listKeys({ account })).keys).toEqual([key]);
  const expireTime = timestampFromMs(Date.now() + 600_000);
  await service.as("scheduler").router.placeAgents({
    placements: [{ account, agent: "scout", host: "agent-host-1", generation: 1n, expireTime }],
  });
  const { route } = await service.as("agent-host-1").router.resolveRoute({
    account,
    agent: "scout",
    model: "anthropic/claude-sonnet-4.9",
    callId: "call-1",
  });
  expect(Buffer.from(route?.credential ?? []).toString()).toContain(consent().minted.at(-1));
});

test.each(["admin", "auditor", "agent-host-1", "billing", "scheduler"] satisfies CallerName[])(
  "%s may neither begin nor complete a connect",
  async (caller) => {
    const { keyVault } = service.as(caller);
    const code = { account: "maya", connectId: "x", code: "y" };
    for (const call of [
      keyVault.beginOpenRouterConnect({ account: "maya", callbackUrl: CALLBACK }),
      keyVault.completeOpenRouterConnect(code),
    ]) {
      expect((await refusedCall(call)).reason).toBe("ROLE_NOT_ALLOWED");
    }
  },
);

test("users are sent back to allowed origins only, and the refusal does not quote the URL", async () => {
  const call = settings().beginOpenRouterConnect({ account: "maya", callbackUrl: "https://evil.example/canary" });
  const refused = await refusedCall(call);
  expect(refused).toMatchObject({ code: Code.InvalidArgument, reason: "FIELDS_INVALID" });
  expect(refused.message).toContain("callback_url");
  expect(refused.message).not.toContain("canary");
});

test("completions at once, through both doors, send one exchange and store one key", async () => {
  const request = await approved("race");
  const before = exchanges();
  const calls = (["grpc", "connect"] as const).flatMap((door) =>
    Array.from({ length: 4 }, () => settings(door).completeOpenRouterConnect(request)),
  );
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(exchanges() - before).toBe(1);
  expect((await settings().getKey({ account: "race", provider: Provider.OPENROUTER })).key?.version).toBe(1n);
});

describe("a process that dies", () => {
  test("between the beginning and the completion loses nothing, and a repeated request id gives the first answer after another death", async () => {
    const request = { ...(await approved("omar")), requestId: randomUUID() };
    await restart("SIGKILL");
    const first = await settings().completeOpenRouterConnect(request);
    await restart("SIGKILL");
    const before = exchanges();
    expect(await settings("connect").completeOpenRouterConnect(request)).toEqual(first);
    expect(exchanges()).toBe(before);
  });

  test("during the exchange leaves the connect spent: it is told so, and OpenRouter is not asked again", async () => {
    const request = await approved("rosa");
    const before = exchanges();
    simulators.openrouter.setFault({ kind: "hang" }, "call");
    const cut = settings()
      .completeOpenRouterConnect(request)
      .catch(() => "cut");
    await expect.poll(exchanges).toBe(before + 1);
    await restart("SIGKILL");
    expect(await cut).toBe("cut");
    simulators.openrouter.setFault(undefined);
    expect(await refusedCall(settings().completeOpenRouterConnect(request))).toMatchObject({
      code: Code.FailedPrecondition,
      reason: "CONNECT_SPENT",
      metadata: { outcome: "RUNNING" },
    });
    expect(exchanges()).toBe(before + 1);
    await settings().completeOpenRouterConnect(await approved("rosa"));
  });
});

describe("every refusal of OpenRouter's reaches the caller with a reason of its own, and the connect is spent", () => {
  test.each([
    [400, Code.FailedPrecondition, "CONNECT_CHALLENGE_REFUSED"],
    [403, Code.FailedPrecondition, "CONNECT_CODE_REFUSED"],
    [405, Code.FailedPrecondition, "CONNECT_EXCHANGE_REFUSED"],
    [500, Code.Unavailable, "PROVIDER_UNREACHABLE"],
  ])("HTTP %i", async (status, code, reason) => {
    const request = await approved(`status-${status}`);
    simulators.openrouter.setFault(
      { kind: "status", status, body: { error: { message: "canary", code: status } } },
      "call",
    );
    const refused = await refusedCall(settings().completeOpenRouterConnect(request));
    simulators.openrouter.setFault(undefined);
    expect(refused).toMatchObject({ code, reason, metadata: { connect: "SPENT", http_status: String(status) } });
    expect(JSON.stringify(refused)).not.toContain("canary");
    const again = await refusedCall(settings().completeOpenRouterConnect(request));
    expect(again.reason).toBe("CONNECT_SPENT");
  });

  test("a code that is too old", async () => {
    const request = await approved("slow");
    consent().expireCodes();
    const refused = await refusedCall(settings().completeOpenRouterConnect(request));
    expect(refused).toMatchObject({ code: Code.FailedPrecondition, reason: "CONNECT_EXPIRED" });
  });

  test("a management key, which is not stored", async () => {
    const request = await approved("manager");
    consent().mintWith({ condition: "wrong_kind" });
    const refused = await refusedCall(settings().completeOpenRouterConnect(request));
    consent().mintWith({});
    expect(refused).toMatchObject({ code: Code.InvalidArgument, reason: "KEY_REJECTED" });
    expect((await settings().listKeys({ account: "manager" })).keys).toEqual([]);
  });

  test("another account's connect, which looks like none", async () => {
    const request = await approved("mine");
    const refused = await refusedCall(settings().completeOpenRouterConnect({ ...request, account: "theirs" }));
    expect(refused).toMatchObject({ code: Code.NotFound, reason: "CONNECT_NOT_FOUND" });
    await settings().completeOpenRouterConnect(request);
  });
});

test("after all of it no key, verifier, code or callback stands in any file or log line", async () => {
  const { code } = await approved("canary");
  const canaries = [...consent().minted, ...consent().verifiers, code, "settings/connected", "auth_code_"];
  expect(canaries.length).toBeGreaterThan(10);
  const { status } = await fetch(`http://localhost:${service.opsPort}/metrics`);
  expect(status).toBe(200);
  await service.end();
  const output = written + service.output();
  const files = readdirSync(directory.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  for (const canary of canaries) {
    for (const trace of [
      canary,
      Buffer.from(canary).toString("base64").slice(0, 12),
      Buffer.from(canary).toString("hex"),
    ]) {
      expect(output.includes(trace)).toBe(false);
      for (const file of files) expect(file.includes(trace)).toBe(false);
    }
  }
});
