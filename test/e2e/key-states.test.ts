import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { Advice } from "../../src/gen/plori/router/v1/router_service_pb.ts";
import { Payer, Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { type CallerName, type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = temporaryDirectory();
let simulators: ProviderSimulators;
let service: ServiceProcess;
let calls = 0;

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
  return startService({ dataDir: directory.path, providerUrls: simulators.providerUrlsJson });
}

/** Places the account's agent on the host. */
async function place(account: string, host: CallerName = "agent-host-1"): Promise<void> {
  const seconds = BigInt(Math.floor(Date.now() / 1000) + 3_600);
  const placement = { account, agent: "agent", host, generation: 1n, expireTime: { seconds, nanos: 0 } };
  await service.as("scheduler").router.placeAgents({ placements: [placement] });
}

/** Mints a key at the simulated OpenAI and connects it for the account. */
async function connect(account: string, changes: { keyId?: string; hosts?: string[] } = {}): Promise<string> {
  const secret = simulators.openai.mintKey();
  const caller = account === "platform" ? "admin" : "settings";
  await service.as(caller).keyVault.connectKey({ account, provider: Provider.OPENAI, secret, ...changes });
  return secret;
}

async function resolve(account: string, model = "openai/gpt-5.5", host: CallerName = "agent-host-1") {
  calls += 1;
  const callId = `call-${calls}`;
  const { route } = await service.as(host).router.resolveRoute({ account, agent: "agent", model, callId });
  if (route === undefined) throw new Error("no route");
  return { route, callId };
}

async function refusal(attempt: Promise<unknown>) {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw new Error("expected a refusal");
  const [info] = error.findDetails(ErrorInfoSchema);
  return { code: error.code, reason: info?.reason, retry: error.findDetails(RetryInfoSchema)[0], text: error.message };
}

async function stateOf(account: string) {
  const { key } = await service.as("settings").keyVault.getKey({ account, provider: Provider.OPENAI });
  if (key === undefined) throw new Error("no key");
  return key;
}

describe("a key that is revoked at its provider", () => {
  test("is found out by a host's report, refused from then on, and served again once its user connects another", async () => {
    await place("revoked");
    const secret = await connect("revoked");
    const { route, callId } = await resolve("revoked");
    simulators.openai.revoke(secret);
    const masked = `${secret.slice(0, 8)}************${secret.slice(-4)}`;
    const report = await service.as("agent-host-1").router.reportOutcome({
      route: route.route,
      callId,
      httpStatus: 401,
      providerError: { code: "invalid_api_key", message: `Incorrect API key provided: ${masked}` },
    });
    expect(report).toMatchObject({ keyState: KeyState.DEAD, advice: Advice.STOP });
    expect(report.stateReason).toContain("OpenAI does not accept the key");
    const refused = await refusal(resolve("revoked"));
    expect(refused).toMatchObject({ code: Code.FailedPrecondition, reason: "KEY_DEAD" });
    expect(await stateOf("revoked")).toMatchObject({ state: KeyState.DEAD });
    await connect("revoked");
    expect(await stateOf("revoked")).toMatchObject({ state: KeyState.ACTIVE, version: 2n });
    const next = await resolve("revoked");
    expect(next.route).toMatchObject({ payer: Payer.BYOK, keyVersion: 2n });
    // The old route's host reports once more, late.
    const late = await service
      .as("agent-host-1", "connect")
      .router.reportOutcome({ route: route.route, callId, httpStatus: 401 });
    expect(late).toMatchObject({ keyState: KeyState.UNSPECIFIED, advice: Advice.RESOLVE_AGAIN });
    expect(await stateOf("revoked")).toMatchObject({ state: KeyState.ACTIVE });
    for (const part of [secret.slice(-4), masked]) expect(service.output()).not.toContain(part);
  });

  test("and mended there is served again after VerifyKey, which says when the provider is silent", async () => {
    await place("mended");
    const secret = await connect("mended");
    const { keyVault } = service.as("settings");
    const named = { account: "mended", provider: Provider.OPENAI };
    simulators.openai.revoke(secret);
    expect((await keyVault.verifyKey(named)).key).toMatchObject({ state: KeyState.DEAD });
    expect(await refusal(resolve("mended"))).toMatchObject({ reason: "KEY_DEAD" });
    simulators.openai.setFault({ kind: "status", status: 503 });
    expect(await refusal(keyVault.verifyKey(named))).toMatchObject({
      code: Code.Unavailable,
      reason: "PROVIDER_UNREACHABLE",
    });
    simulators.openai.setFault(undefined);
    simulators.openai.heal(secret);
    const mended = (await service.as("settings", "connect").keyVault.verifyKey(named)).key;
    expect(mended).toMatchObject({ state: KeyState.ACTIVE, stateReason: "" });
    expect(mended?.verifyTime).toBeDefined();
    await resolve("mended");
  });

  test("is not believed to be dead because a host says so", async () => {
    await place("slandered");
    await connect("slandered");
    const { route, callId } = await resolve("slandered");
    const lie = { route: route.route, callId, httpStatus: 401, providerError: { code: "invalid_api_key" } };
    const report = await service.as("agent-host-1").router.reportOutcome(lie);
    expect(report).toMatchObject({ keyState: KeyState.ACTIVE, advice: Advice.RETRY_SAME });
    const foreign = await refusal(service.as("agent-host-2").router.reportOutcome(lie));
    expect(foreign).toMatchObject({ code: Code.NotFound, reason: "ROUTE_NOT_FOUND" });
    const unable = await refusal(service.as("settings").router.reportOutcome(lie));
    expect(unable).toMatchObject({ code: Code.PermissionDenied, reason: "ROLE_NOT_ALLOWED" });
  });
});

test("an empty account is left alone, then tried by one call, whose success brings the key back", async () => {
  await place("empty");
  const secret = await connect("empty");
  const { router } = service.as("agent-host-1");
  simulators.openai.setNoCredit(secret);
  const { route, callId } = await resolve("empty");
  const providerError = { code: "insufficient_quota", message: "You exceeded your current quota" };
  const report = await router.reportOutcome({ route: route.route, callId, httpStatus: 429, providerError });
  expect(report).toMatchObject({ keyState: KeyState.EXHAUSTED, advice: Advice.STOP });
  const waitMs = Number(report.stateUntilTime?.seconds) * 1000 - Date.now();
  expect(waitMs).toBeGreaterThan(4 * 60_000);
  expect(waitMs).toBeLessThanOrEqual(5 * 60_000);
  expect(await refusal(resolve("empty"))).toMatchObject({ code: Code.FailedPrecondition, reason: "KEY_EXHAUSTED" });
  // Its owner has paid and has it looked at: the trial call may come at once.
  simulators.openai.heal(secret);
  const verified = await service.as("settings").keyVault.verifyKey({ account: "empty", provider: Provider.OPENAI });
  expect(verified.key).toMatchObject({ state: KeyState.EXHAUSTED });
  const trial = await resolve("empty");
  expect(trial.route.reuseUntilTime).toBeUndefined();
  expect(await refusal(resolve("empty"))).toMatchObject({ reason: "KEY_EXHAUSTED" });
  const success = await router.reportOutcome({ route: trial.route.route, callId: trial.callId, httpStatus: 200 });
  expect(success).toMatchObject({ keyState: KeyState.ACTIVE });
  const { route: lease } = await resolve("empty");
  expect(lease.reuseUntilTime).toBeDefined();
});

test("a rate limit holds for its model until its time, and tells when to try again", async () => {
  await place("limited");
  await connect("limited");
  const { route, callId } = await resolve("limited");
  const report = await service.as("agent-host-1").router.reportOutcome({
    route: route.route,
    callId,
    httpStatus: 429,
    providerError: { code: "rate_limit_exceeded" },
    retryAfter: { seconds: 2n, nanos: 0 },
  });
  expect(report).toMatchObject({ keyState: KeyState.RATE_LIMITED, advice: Advice.RETRY_SAME });
  const refused = await refusal(resolve("limited"));
  expect(refused).toMatchObject({ code: Code.Unavailable, reason: "KEY_RATE_LIMITED" });
  expect(refused.retry?.retryDelay).toBeDefined();
  await resolve("limited", "openai/gpt-5.4-mini");
  const key = await stateOf("limited");
  expect(key.state).toBe(KeyState.RATE_LIMITED);
  expect(key.modelLimits.map(({ model }) => model)).toEqual(["gpt-5.5"]);
  await expect
    .poll(
      () =>
        resolve("limited").then(
          () => "served",
          () => "refused",
        ),
      { timeout: 10_000 },
    )
    .toBe("served");
  expect(await stateOf("limited")).toMatchObject({ state: KeyState.ACTIVE, modelLimits: [] });
});

test("each host gets the platform key that is bound to it, each is rotated alone, and a report hurts its own host only", async () => {
  for (const [account, host] of [
    ["hosted-1", "agent-host-1"],
    ["hosted-2", "agent-host-2"],
  ] as const) {
    await place(account, host);
    await service.as("billing").ledger.grantCredits({ account, amount: { units: 100_000n } });
  }
  const first = await connect("platform", { keyId: "fleet-1", hosts: ["agent-host-1"] });
  const second = await connect("platform", { keyId: "fleet-2", hosts: ["agent-host-2"] });
  const credential = async (account: string, host: CallerName) => {
    const { route } = await resolve(account, "openai/gpt-5.5", host);
    return Buffer.from(route.credential).toString();
  };
  expect(await credential("hosted-1", "agent-host-1")).toBe(first);
  expect(await credential("hosted-2", "agent-host-2")).toBe(second);

  const rotated = await connect("platform", { keyId: "fleet-1" });
  expect(await credential("hosted-1", "agent-host-1")).toBe(rotated);
  expect(await credential("hosted-2", "agent-host-2")).toBe(second);
  const admin = service.as("admin").keyVault;
  const { keys } = await admin.listKeys({ account: "platform" });
  expect(keys.map(({ name, hosts, version }) => `${name} ${hosts.join()} ${version}`)).toEqual([
    "accounts/platform/keys/fleet-1 agent-host-1 3",
    "accounts/platform/keys/fleet-2 agent-host-2 2",
  ]);

  const { route, callId } = await resolve("hosted-1");
  const { router } = service.as("agent-host-1");
  const providerError = { code: "insufficient_quota" };
  const report = await router.reportOutcome({ route: route.route, callId, httpStatus: 429, providerError });
  expect(report).toMatchObject({ keyState: KeyState.EXHAUSTED, advice: Advice.RESOLVE_AGAIN });
  expect(await refusal(resolve("hosted-1"))).toMatchObject({ reason: "PROVIDER_UNREACHABLE" });
  expect(await credential("hosted-2", "agent-host-2")).toBe(second);
  const named = { account: "platform", provider: Provider.OPENAI, keyId: "fleet-1" };
  expect((await admin.verifyKey(named)).key).toMatchObject({ state: KeyState.ACTIVE });
  await admin.deleteKey({ ...named, keyId: "fleet-2" });
  expect(await refusal(resolve("hosted-2", "openai/gpt-5.5", "agent-host-2"))).toMatchObject({
    reason: "MODEL_UNKNOWN",
  });
  const settings = service.as("settings").keyVault;
  expect(await refusal(settings.verifyKey(named))).toMatchObject({ reason: "ROLE_NOT_ALLOWED" });
});

/** Changes the stored key of the account while the service is stopped, as time, or a failing disk, would. */
async function whileStopped(account: string, change: string): Promise<void> {
  await service.end();
  const db = new Database(join(directory.path, "plori.db"));
  db.prepare(`UPDATE provider_key SET ${change} WHERE account = ?`).run(account);
  db.close();
  service = await start();
}

test("a dead key that was mended at its provider is found alive by our own probe when its time comes", async () => {
  await place("timed");
  const secret = await connect("timed");
  simulators.openai.revoke(secret);
  await service.as("settings").keyVault.verifyKey({ account: "timed", provider: Provider.OPENAI });
  expect(await refusal(resolve("timed"))).toMatchObject({ reason: "KEY_DEAD" });
  simulators.openai.heal(secret);
  await whileStopped("timed", "probe_due_ms = 1");
  await expect.poll(async () => (await stateOf("timed")).state, { timeout: 20_000 }).toBe(KeyState.ACTIVE);
  await resolve("timed");
});

test("a stored key that fails its check is refused, shown as unreadable, and replaced by its user", async () => {
  await place("damaged");
  await connect("damaged");
  await whileStopped("damaged", "sealed = zeroblob(length(sealed))");
  expect(await refusal(resolve("damaged"))).toMatchObject({ code: Code.DataLoss, reason: "RECORD_CORRUPT" });
  await expect.poll(async () => (await stateOf("damaged")).state).toBe(KeyState.UNREADABLE);
  expect(await refusal(resolve("damaged"))).toMatchObject({ code: Code.FailedPrecondition, reason: "KEY_UNREADABLE" });
  await connect("damaged");
  await resolve("damaged");
});

test("states, limits and times of last use outlive a stop and a kill", async () => {
  await place("lasting");
  const secret = await connect("lasting");
  const { route, callId } = await resolve("lasting");
  const used = (await stateOf("lasting")).lastUsedTime;
  expect(used).toBeDefined();
  await service.end();
  service = await start();
  expect((await stateOf("lasting")).lastUsedTime).toEqual(used);

  await resolve("lasting");
  const later = (await stateOf("lasting")).lastUsedTime;
  expect(later).not.toEqual(used);
  simulators.openai.revoke(secret);
  const { router } = service.as("agent-host-1");
  await router.reportOutcome({ route: route.route, callId, httpStatus: 401 });
  await service.end("SIGKILL");
  service = await start();
  const key = await stateOf("lasting");
  expect(key).toMatchObject({ state: KeyState.DEAD });
  expect(key.lastUsedTime).toEqual(later);
  expect(await refusal(resolve("lasting"))).toMatchObject({ reason: "KEY_DEAD" });
});
