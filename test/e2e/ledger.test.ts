import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ChargeSchema, Component, HoldState } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { RecordOutcome, UsageGrouping } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { startProviderSimulators } from "../simulators/start.ts";
import { type Clients, type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { refused } from "./refusal.ts";

const MODEL = "openai/gpt-5.5";
let directory: ReturnType<typeof temporaryDirectory>;
let simulators: Awaited<ReturnType<typeof startProviderSimulators>>;
let service: ServiceProcess;
let host: Clients;
let billing: Clients;

beforeAll(async () => {
  directory = temporaryDirectory();
  simulators = await startProviderSimulators();
  service = await startService({ dataDir: directory.path, providerUrls: simulators.providerUrlsJson });
  host = service.as("agent-host-1");
  billing = service.as("billing");
  await service.as("admin").keyVault.connectKey({
    account: "platform",
    provider: Provider.OPENAI,
    secret: simulators.openai.mintKey(),
  });
});
afterAll(async () => {
  await service.end();
  await simulators.close();
  directory.remove();
});

/** An account with a hundred credits and an agent on agent-host-1. */
async function open(account: string): Promise<string> {
  const expireTime = timestampFromMs(Date.now() + 3_600_000);
  await service.as("scheduler").router.placeAgents({
    placements: [{ account, agent: "agent", host: "agent-host-1", generation: 1n, expireTime }],
  });
  const { grant } = await billing.ledger.grantCredits({ account, amount: { units: 100n } });
  return grant?.name ?? "";
}

async function resolve(account: string, callId: string) {
  const estimate = { inputTokens: 1_000n, maxOutputTokens: 1_000n };
  const { route } = await host.router.resolveRoute({ account, agent: "agent", model: MODEL, callId, estimate });
  if (route?.hold === undefined) throw new Error("no hold");
  return { ...route, hold: route.hold };
}

async function record(account: string, callId: string, route: string) {
  const { results } = await host.ledger.recordUsage({
    records: [
      {
        usageId: `usage-${callId}`,
        account,
        agent: "agent",
        occurTime: timestampFromMs(Date.now()),
        kind: {
          case: "modelCall",
          value: {
            authority: { case: "route", value: route },
            callId,
            usage: { case: "tokens", value: { inputUncachedTokens: 1_000n, outputTokens: 100n } },
          },
        },
      },
    ],
  });
  return results[0];
}

async function reasonOf(pending: Promise<unknown>): Promise<string> {
  return (await refused(pending)).reason;
}

test("a hold is extended and released by its own host alone", async () => {
  await open("holds");
  const { hold, route } = await resolve("holds", "call-1");
  const usedSoFar = { inputUncachedTokens: 10n };
  const { hold: extended } = await host.ledger.extendHold({ account: "holds", hold: hold.name, usedSoFar });
  expect(extended).toMatchObject({ name: hold.name, state: HoldState.OPEN, amount: hold.amount, callId: "call-1" });
  const stranger = service.as("agent-host-2").ledger.releaseHold({ account: "holds", hold: hold.name });
  expect(await reasonOf(stranger)).toBe("HOLD_NOT_FOUND");
  expect(await reasonOf(billing.ledger.releaseHold({ account: "holds", hold: hold.name }))).toBe("ROLE_NOT_ALLOWED");
  const { hold: released } = await host.ledger.releaseHold({ account: "holds", hold: hold.name });
  expect(released?.state).toBe(HoldState.RELEASED);
  const { balance } = await billing.ledger.getBalance({ account: "holds" });
  expect(balance).toMatchObject({ available: { units: 100n, nanos: 0 }, held: { units: 0n, nanos: 0 } });
  expect((await record("holds", "call-1", route))?.outcome).toBe(RecordOutcome.CREATED);
  expect(await reasonOf(host.ledger.extendHold({ account: "holds", hold: hold.name }))).toBe("CALL_SETTLED");
  const wrong = host.ledger.extendHold({ account: "", hold: "", usedSoFar: { outputTokens: -1n }, requestId: "x" });
  const { message } = await refused(wrong);
  for (const field of ["account", "hold", "used_so_far.output_tokens", "request_id"]) expect(message).toContain(field);
});

test("a charge is looked at and undone, a grant listed and taken back, and the same request id gives the first answer", async () => {
  const grant = await open("undo");
  const { route } = await resolve("undo", "call-1");
  const recorded = await record("undo", "call-1", route);
  const name = "accounts/undo/charges/1";
  expect(recorded?.charge?.name).toBe(name);
  const requestId = "0190a3f0-0000-7000-8000-00000000000a";
  const reversed = await billing.ledger.reverseCharge({ name, requestId, actor: "operator" });
  expect(reversed.charge).toMatchObject({ name: "accounts/undo/charges/2", reverses: name, usageId: "" });
  expect(await billing.ledger.reverseCharge({ name, requestId, actor: "operator" })).toEqual(reversed);
  expect(await reasonOf(billing.ledger.reverseCharge({ name }))).toBe("CHARGE_REVERSED");
  const { charge, reversal } = await service.as("settings", "connect").ledger.getCharge({ name });
  expect(charge).toEqual(recorded?.charge);
  expect(reversal).toBe("accounts/undo/charges/2");
  expect(await reasonOf(billing.ledger.getCharge({ name: "accounts/undo/charges/9" }))).toBe("CHARGE_NOT_FOUND");
  expect(await reasonOf(billing.ledger.getCharge({ name: "charges/9" }))).toBe("FIELDS_INVALID");

  await billing.ledger.grantCredits({ account: "undo", amount: { units: 1n } });
  const page = await billing.ledger.listGrants({ account: "undo", pageSize: 1 });
  expect(page.grants).toMatchObject([{ amount: { units: 1n } }]);
  const rest = await billing.ledger.listGrants({ account: "undo", pageToken: page.nextPageToken });
  expect(rest).toMatchObject({ grants: [{ name: grant, remaining: { units: 100n } }], nextPageToken: "" });
  const { grant: voided } = await billing.ledger.voidGrant({ name: grant });
  expect(voided).toMatchObject({ remaining: { units: 0n, nanos: 0 } });
  expect(voided?.voidTime).toBeDefined();
  const { balance } = await billing.ledger.getBalance({ account: "undo" });
  expect(balance).toMatchObject({ available: { units: 1n }, voided: { units: 100n }, spent: { units: 0n, nanos: 0 } });
  expect(await reasonOf(billing.ledger.voidGrant({ name: "accounts/undo/grants/none" }))).toBe("GRANT_NOT_FOUND");
});

test("charges are listed by a filter and summed up by day and model", async () => {
  await open("read");
  const { route } = await resolve("read", "call-1");
  const recorded = await record("read", "call-1", route);
  const settings = service.as("settings", "connect").ledger;
  const filter = "kind = MODEL_CALL AND provider = openai AND call_id = call-1";
  expect((await settings.listCharges({ account: "read", filter })).charges).toEqual([recorded?.charge]);
  expect((await settings.listCharges({ account: "read", filter: "payer = BYOK" })).charges).toEqual([]);
  expect(await reasonOf(settings.listCharges({ account: "read", filter: "payer" }))).toBe("FIELDS_INVALID");
  const groupBy = [UsageGrouping.DAY, UsageGrouping.MODEL];
  const { summaries } = await settings.summarizeUsage({ account: "read", groupBy });
  expect(summaries).toMatchObject([{ model: MODEL, charges: 1n, amount: recorded?.charge?.amount, agent: "" }]);
});

test("prices are drafted from the catalogue at an operator's value and markup, published once confirmed, listed and previewed", async () => {
  const catalogue = { creditsPerUsd: { units: 100n }, markupPercent: 25 };
  const drafted = await billing.ledger.createPriceDraft({ catalogue });
  expect(drafted.itemCount).toBeGreaterThan(100);
  const dearer = await billing.ledger.createPriceDraft({ catalogue: { ...catalogue, markupPercent: 1_000 } });
  expect(dearer.warnings.length).toBeGreaterThan(0);
  expect(await reasonOf(billing.ledger.publishPrices({ draft: dearer.draft }))).toBe("PRICES_UNCONFIRMED");
  const before = await billing.ledger.listPrices({ pageSize: 1 });
  const usage = { quantities: [{ component: Component.OUTPUT, quantity: 1_000_000n }], provider: Provider.OPENAI };
  const preview = { ...usage, upstreamModel: "gpt-5.5", model: MODEL };
  const then = await billing.ledger.previewCharge(preview);
  const { priceVersion } = await billing.ledger.publishPrices({ draft: drafted.draft, confirmWarnings: true });
  expect(priceVersion?.version).toBe((before.priceVersion?.version ?? 0n) + 1n);
  const now = await billing.ledger.previewCharge(preview);
  expect((now.amount?.units ?? 0n) * 100n).toBe((then.amount?.units ?? 0n) * 125n);
  expect(now.priceVersion).toBe(priceVersion?.name);
  const old = await billing.ledger.previewCharge({ ...preview, priceVersion: then.priceVersion });
  expect(old).toEqual(then);
  expect(await reasonOf(billing.ledger.createPriceDraft({ catalogue: { creditsPerUsd: {} } }))).toBe("FIELDS_INVALID");
  // The development profile sets a hundred credits a dollar and no markup: that is what it began with.
  const { draft } = await billing.ledger.createPriceDraft({ catalogue: {} });
  const again = await billing.ledger.publishPrices({ draft });
  const asSet = await billing.ledger.previewCharge({ ...preview, priceVersion: again.priceVersion?.name ?? "" });
  expect(asSet.amount).toEqual(then.amount);
});

test.each(["grpc", "connect"] as const)(
  "an export through the %s door ends with a manifest of exactly what it sent",
  async (door) => {
    const account = `export-${door}`;
    await open(account);
    for (const call of ["call-1", "call-2"]) await record(account, call, (await resolve(account, call)).route);
    const answers = await Array.fromAsync(service.as("billing", door).ledger.exportCharges({ account }));
    const charges = answers.flatMap((answer) => answer.charges);
    const hash = createHash("sha256");
    for (const charge of charges) {
      const bytes = toBinary(ChargeSchema, charge);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      hash.update(length).update(bytes);
    }
    const sum = charges.reduce((total, charge) => total + (charge.amount?.nanos ?? 0), 0);
    expect(charges.map(({ sequence }) => sequence)).toEqual([1n, 2n]);
    expect(answers.at(-1)?.manifest).toMatchObject({
      charges: 2n,
      firstSequence: 1n,
      lastSequence: 2n,
      amount: { nanos: sum % 1_000_000_000 },
      sha256: hash.digest("hex"),
    });
    const rest = await Array.fromAsync(billing.ledger.exportCharges({ account, afterSequence: 2n }));
    expect(rest).toMatchObject([{ charges: [], manifest: { charges: 0n, lastSequence: 2n } }]);
  },
);

test("a day that providers may still bill for is not reconciled, and one without calls and bill is in tolerance", async () => {
  const creditsPerUsd = { units: 100n };
  const today = timestampFromMs(Math.floor(Date.now() / 86_400_000) * 86_400_000);
  const wrong = billing.ledger.reconcileDay({ provider: Provider.OPENAI, day: today, creditsPerUsd });
  expect(await reasonOf(wrong)).toBe("FIELDS_INVALID");
  const day = timestampFromMs((Math.floor(Date.now() / 86_400_000) - 4) * 86_400_000);
  expect(await billing.ledger.reconcileDay({ provider: Provider.OPENAI, day, creditsPerUsd })).toMatchObject({
    capturedUsdNanos: 0n,
    outOfTolerance: false,
    models: [],
  });
});

test.each(["grpc", "connect"] as const)("an auditor verifies the whole ledger through the %s door", async (door) => {
  await open(`verified-${door}`);
  const answers = [];
  for await (const answer of service.as("auditor", door).ledger.verifyLedger({})) answers.push(answer);
  const end = answers.at(-1);
  expect(end).toMatchObject({ done: true });
  expect(end?.accountsVerified).toBeGreaterThan(0n);
  expect(answers.flatMap(({ differences }) => differences)).toEqual([]);
});
