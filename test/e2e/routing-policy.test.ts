import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { OnKeyFailure, OutputLimit, RouteReason, Verdict } from "../../src/gen/plori/router/v1/router_pb.ts";
import { Advice } from "../../src/gen/plori/router/v1/router_service_pb.ts";
import { Payer, Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type RevocationWatch, watchRevocations } from "../support/revocation-watch.ts";
import { startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { DOORS, endSurely, given, type House, nano, openHouse } from "./house.ts";
import { refused } from "./refusal.ts";

const MODEL = "openai/gpt-5.5";

let house: House;
let calls = 0;
const watches: RevocationWatch[] = [];
beforeAll(async () => {
  house = await openHouse();
  await house.connectOwn("platform", "openai");
});
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop();
});
afterAll(() => house.close());

const router = () => house.as("settings", "connect").router;
const policyOf = async (account: string) => given((await router().getRoutingPolicy({ account })).routingPolicy);

type Update = NonNullable<Parameters<ReturnType<typeof router>["updateRoutingPolicy"]>[0]["routingPolicy"]>;

async function update(account: string, routingPolicy: Update, requestId = "") {
  const answer = await router().updateRoutingPolicy({ account, routingPolicy, requestId, actor: "user-7" });
  return given(answer.routingPolicy);
}

function resolve(account: string, changes: { maxOutputTokens?: bigint; callId?: string } = {}) {
  calls += 1;
  return house.resolve({ account, model: MODEL, callId: `call-${calls}`, ...changes });
}

/** An account with its agent placed, credits, and own keys. */
async function openAccount(account: string, ...providers: ("openai" | "openrouter")[]): Promise<string[]> {
  await house.place(account, "agent");
  await house.grant(account, { units: 100_000n });
  const secrets: string[] = [];
  for (const provider of providers) secrets.push(await house.connectOwn(account, provider));
  return secrets;
}

describe.each(DOORS)("by the %s door", (door) => {
  test("an account has the default until it sets a policy, which then needs its own etag", async () => {
    const account = `new-${door}`;
    const { router } = house.as("settings", door);
    const initial = given((await router.getRoutingPolicy({ account })).routingPolicy);
    expect(initial).toMatchObject({
      name: `accounts/${account}/routingPolicy`,
      providerOrder: [],
      pins: [],
      onKeyFailure: OnKeyFailure.STOP,
    });
    expect([initial.maxHostedCallAmount, initial.updateTime]).toEqual([undefined, undefined]);
    const wanted = {
      providerOrder: [Provider.OPENROUTER, Provider.GROQ],
      pins: [{ model: MODEL, provider: Provider.OPENROUTER }],
      onKeyFailure: OnKeyFailure.OTHER_KEYS,
      maxHostedCallAmount: { units: 3n, nanos: 500_000_000 },
    };
    const first = given(
      (await router.updateRoutingPolicy({ account, routingPolicy: { ...wanted, etag: initial.etag } })).routingPolicy,
    );
    expect(first).toMatchObject(wanted);
    expect(first.updateTime).toBeDefined();
    expect(given((await router.getRoutingPolicy({ account })).routingPolicy)).toEqual(first);
    for (const etag of ["", initial.etag]) {
      const stale = await refused(router.updateRoutingPolicy({ account, routingPolicy: { ...wanted, etag } }));
      expect(stale).toMatchObject({ code: "Aborted", reason: "ETAG_MISMATCH", metadata: { etag: first.etag } });
    }
    const updateMask = { paths: ["on_key_failure"] };
    const masked = await router.updateRoutingPolicy({ account, routingPolicy: { etag: first.etag }, updateMask });
    expect(masked.routingPolicy).toMatchObject({ ...wanted, onKeyFailure: OnKeyFailure.STOP });
  });
});

test("a change is on record with what was and what is, who made it, and in the name of whom", async () => {
  const first = await update("recorded", { onKeyFailure: OnKeyFailure.CREDITS });
  await update("recorded", { onKeyFailure: OnKeyFailure.STOP, etag: first.etag });
  const auditor = house.as("auditor").keyVault;
  const { events } = await auditor.listAuditEvents({ account: "recorded", kind: "policy.updated" });
  expect(
    events.map(({ actor, details }) => [actor, details["old_on_key_failure"], details["new_on_key_failure"]]),
  ).toEqual([
    ["user-7", "CREDITS", "STOP"],
    ["user-7", "STOP", "CREDITS"],
  ]);
});

test("a repeated request gets its first answer, and changes nothing", async () => {
  const requestId = "0190a3f0-0000-7000-8000-0000000000aa";
  const first = await update("repeated", { onKeyFailure: OnKeyFailure.CREDITS }, requestId);
  await update("repeated", { onKeyFailure: OnKeyFailure.STOP, etag: first.etag });
  expect(await update("repeated", { onKeyFailure: OnKeyFailure.CREDITS }, requestId)).toEqual(first);
  expect((await policyOf("repeated")).onKeyFailure).toBe(OnKeyFailure.STOP);
  const other = update("repeated", { onKeyFailure: OnKeyFailure.OTHER_KEYS }, requestId);
  expect(await refused(other)).toMatchObject({ reason: "REQUEST_ID_CONFLICT" });
});

test("the next route goes by the policy: its order, its pins, and the default again", async () => {
  await openAccount("ordered", "openai", "openrouter");
  expect(await resolve("ordered")).toMatchObject({ provider: Provider.OPENAI, reason: RouteReason.NATIVE_KEY });
  let { etag } = await update("ordered", { providerOrder: [Provider.OPENROUTER] });
  expect(await resolve("ordered")).toMatchObject({ provider: Provider.OPENROUTER, upstreamModel: MODEL });
  const pins = [{ model: MODEL, provider: Provider.OPENAI }];
  ({ etag } = await update("ordered", { providerOrder: [Provider.OPENROUTER], pins, etag }));
  expect(await resolve("ordered")).toMatchObject({ provider: Provider.OPENAI, reason: RouteReason.PINNED_BY_POLICY });
  const explained = await router().explainRoute({ account: "ordered", model: MODEL });
  expect(explained.candidates.map(({ provider, reason }) => [provider, reason])).toEqual([
    [Provider.OPENAI, RouteReason.PINNED_BY_POLICY],
    [Provider.OPENROUTER, RouteReason.OPENROUTER_KEY],
    [Provider.UNSPECIFIED, RouteReason.OWN_KEY_FIRST],
  ]);
  await house.as("settings").keyVault.deleteKey({ account: "ordered", provider: Provider.OPENAI });
  const passedOver = await resolve("ordered");
  expect(passedOver.provider).toBe(Provider.OPENROUTER);
  expect(passedOver.candidates[0]).toMatchObject({
    provider: Provider.OPENAI,
    verdict: Verdict.SKIPPED,
    reason: RouteReason.POLICY_PIN_WITHOUT_KEY,
  });
  await update("ordered", { etag });
  expect((await resolve("ordered")).candidates[0]).toMatchObject({ reason: RouteReason.NO_KEY });
});

test("a changed policy takes back the leases that the former one gave, and no other account's", async () => {
  await openAccount("leased", "openai");
  await openAccount("bystander", "openai");
  expect((await resolve("leased")).reuseUntilTime).toBeDefined();
  const watch = await watchRevocations(house.as("agent-host-1").router);
  watches.push(watch);
  const first = await update("leased", { onKeyFailure: OnKeyFailure.CREDITS });
  await refused(update("leased", {}));
  await update("leased", { etag: first.etag });
  await watch.until(() => watch.told.length === 2);
  expect(watch.told).toEqual(["POLICY_CHANGED leased * *", "POLICY_CHANGED leased * *"]);
});

describe("a key that is dead at its provider", () => {
  test.each([
    [OnKeyFailure.STOP, "stop", Advice.STOP],
    [OnKeyFailure.OTHER_KEYS, "other-keys", Advice.RESOLVE_AGAIN],
    [OnKeyFailure.CREDITS, "credits", Advice.RESOLVE_AGAIN],
  ])("under %s (%s) is reported with the advice that the policy asks for", async (onKeyFailure, name, advice) => {
    const account = `dead-${name}`;
    const [secret = ""] = await openAccount(account, "openai");
    await update(account, { onKeyFailure });
    const route = await resolve(account);
    house.simulators.openai.revoke(secret);
    const report = { route: route.route, callId: `call-${calls}`, httpStatus: 401 };
    const outcome = await house.as("agent-host-1").router.reportOutcome(report);
    expect(outcome).toMatchObject({ keyState: KeyState.DEAD, advice });
    if (onKeyFailure === OnKeyFailure.CREDITS) {
      const hosted = await resolve(account, { maxOutputTokens: 500n });
      expect(hosted).toMatchObject({ payer: Payer.HOSTED, reason: RouteReason.HOSTED });
      expect(hosted.candidates[0]).toMatchObject({ verdict: Verdict.SKIPPED, reason: RouteReason.KEY_DEAD });
    } else {
      expect(await refused(resolve(account))).toMatchObject({ reason: "KEY_DEAD" });
    }
    if (onKeyFailure !== OnKeyFailure.OTHER_KEYS) return;
    await house.connectOwn(account, "openrouter");
    expect(await resolve(account)).toMatchObject({ payer: Payer.BYOK, provider: Provider.OPENROUTER });
  });
});

describe("the spend cap", () => {
  test("makes a hosted call's output smaller, says so, and refuses what would be too small", async () => {
    await openAccount("capped");
    // gpt-5.5 at 100 credits a dollar: 1,024 input tokens are 0.512 credits, an output token 0.003.
    const open = await resolve("capped", { maxOutputTokens: 1_000n });
    expect(open).toMatchObject({ maxOutputTokens: 1_000n, outputLimit: OutputLimit.UNSPECIFIED });
    const { etag } = await update("capped", { maxHostedCallAmount: { units: 2n } });
    const capped = await resolve("capped", { maxOutputTokens: 1_000n, callId: "capped-1" });
    expect(capped).toMatchObject({ payer: Payer.HOSTED, outputLimit: OutputLimit.SPEND_CAP, maxOutputTokens: 496n });
    expect(nano(capped.hold?.amount)).toBe(2_000_000_000n);
    const again = await resolve("capped", { maxOutputTokens: 1_000n, callId: "capped-1" });
    expect(again).toMatchObject({ maxOutputTokens: 496n, outputLimit: OutputLimit.SPEND_CAP, hold: capped.hold });
    expect(await resolve("capped", { maxOutputTokens: 400n })).toMatchObject({ outputLimit: OutputLimit.UNSPECIFIED });
    await update("capped", { maxHostedCallAmount: { units: 1n }, etag });
    const tooLow = await refused(resolve("capped", { maxOutputTokens: 1_000n }));
    expect(tooLow).toMatchObject({
      code: "FailedPrecondition",
      reason: "SPEND_CAP_TOO_LOW",
      metadata: { cap: "1.000000000", required: "1.280000000" },
      retryMs: undefined,
    });
  });

  test("is told apart from credits that run out", async () => {
    await house.place("poor", "agent");
    await house.grant("poor", { units: 2n });
    await update("poor", { maxHostedCallAmount: { units: 5n } });
    expect(await resolve("poor", { maxOutputTokens: 1_000n })).toMatchObject({ outputLimit: OutputLimit.CREDITS });
  });

  test("never touches a call that the user's own key pays for", async () => {
    await openAccount("own", "openai");
    await update("own", { maxHostedCallAmount: { nanos: 1 } });
    expect(await resolve("own")).toMatchObject({ payer: Payer.BYOK, outputLimit: OutputLimit.UNSPECIFIED });
  });
});

test("a policy that was acknowledged outlives a kill", async () => {
  const directory = temporaryDirectory();
  let service = await startService({ dataDir: directory.path });
  const routingPolicy = { providerOrder: [Provider.OPENROUTER], maxHostedCallAmount: { units: 7n } };
  const stored = await service.as("settings").router.updateRoutingPolicy({ account: "kept", routingPolicy });
  await service.end("SIGKILL");
  service = await startService({ dataDir: directory.path });
  const shown = await service.as("settings").router.getRoutingPolicy({ account: "kept" });
  expect(shown.routingPolicy).toEqual(stored.routingPolicy);
  await endSurely(service);
  directory.remove();
});

test("plori's own account has no policy, and only settings may change one", async () => {
  expect(await refused(router().getRoutingPolicy({ account: "platform" }))).toMatchObject({ fields: ["account"] });
  for (const caller of ["admin", "auditor"] as const) {
    const reader = house.as(caller).router;
    await reader.getRoutingPolicy({ account: "anybody" });
    const change = reader.updateRoutingPolicy({ account: "anybody", routingPolicy: {} });
    expect(await refused(change)).toMatchObject({ reason: "ROLE_NOT_ALLOWED" });
  }
});
