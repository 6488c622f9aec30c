import { afterAll, beforeAll, expect, test } from "vitest";
import { KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { type Model, type ModelList, ModelListState } from "../../src/gen/plori/router/v1/model_pb.ts";
import { Payer, Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { DOORS, type DoorName, given, type House, openHouse, type SimulatedProvider } from "./house.ts";
import { refused } from "./refusal.ts";

let house: House;

beforeAll(async () => {
  house = await openHouse({ PLORI_MODEL_LISTS_PER_MINUTE: "600" });
});
afterAll(async () => {
  await house.close();
});

interface Picked {
  readonly models: readonly Model[];
  readonly lists: readonly ModelList[];
}

/** Every model of the account, page by page. */
async function pick(account: string, filter = "", door: DoorName = "grpc"): Promise<Picked> {
  const models: Model[] = [];
  let pageToken = "";
  for (;;) {
    const page = await house.as("settings", door).router.listModels({ account, filter, pageSize: 150, pageToken });
    models.push(...page.models);
    pageToken = page.nextPageToken;
    if (pageToken === "") return { models, lists: page.lists };
  }
}

/** The account's models as soon as the list of each of its keys came to something. */
async function pickSettled(account: string, filter = ""): Promise<Picked> {
  const deadlineMs = Date.now() + 20_000;
  for (;;) {
    const { lists } = await pick(account, filter);
    // Read anew: a list that came between two pages is told by the last one and missing from the first.
    if (lists.every(({ state }) => state !== ModelListState.PENDING)) return pick(account, filter);
    if (Date.now() > deadlineMs) throw new Error("the lists did not come");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const rowOf = ({ models }: Picked, id: string): Model => given(models.find((model) => model.id === id));
const listRequests = (provider: SimulatedProvider, path: string) =>
  house.simulators[provider].requests.filter((request) => request.path === path);

test("without any key of plori's nothing can be picked", async () => {
  expect(await pick("empty")).toEqual({ models: [], lists: [] });
});

test("before a key the hosted models stand there with their prices in credits, on both doors alike", async () => {
  await house.connectOwn("platform", "openrouter");
  const picked = await pick("keyless");
  expect(picked.models.length).toBeGreaterThan(100);
  expect(picked.lists).toEqual([]);
  expect(picked.models.every(({ payer, price }) => payer === Payer.HOSTED && price !== undefined)).toBe(true);
  expect(rowOf(picked, "openai/gpt-5.5")).toMatchObject({
    displayName: "GPT-5.5",
    provider: Provider.OPENROUTER,
    upstreamModel: "openai/gpt-5.5",
    contextLength: 1_050_000n,
    price: { input: "500", output: "3000", cacheRead: "50", cacheWrite: "500" },
    keyState: KeyState.UNSPECIFIED,
  });
  for (const door of DOORS) expect(await pick("keyless", "", door)).toEqual(picked);
});

test("once keys exist their providers' own models are there, each going the way that ExplainRoute tells", async () => {
  const account = "connected";
  for (const provider of ["openai", "groq", "xai", "together", "deepseek"] as const) {
    house.simulators[provider].setModels([`${provider}-new-model`, "openai/gpt-oss-120b"]);
    await house.connectOwn(account, provider);
  }
  const picked = await pickSettled(account);
  expect(picked.lists.map(({ state, modelCount }) => [state, modelCount])).toEqual(
    Array.from({ length: 5 }, () => [ModelListState.FETCHED, 2]),
  );
  for (const provider of ["openai", "groq", "xai", "together", "deepseek"] as const) {
    const row = rowOf(picked, `${provider}-new-model`);
    expect(row).toMatchObject({ payer: Payer.BYOK, upstreamModel: row.id, keyState: KeyState.UNSPECIFIED });
    expect(row.listFetchTime).toBeDefined();
  }
  const sample = picked.models.filter(({ payer }, index) => payer === Payer.BYOK || index % 10 === 0);
  for (const { id, payer, provider, upstreamModel } of sample) {
    const explained = await house.as("settings").router.explainRoute({ account, model: id });
    expect(explained, id).toMatchObject({ payer, provider, upstreamModel });
  }
});

test("what a key's list names is routed to that key as it stands, and forgotten with the key", async () => {
  const account = "tuned";
  house.simulators.groq.setModels(["acme/tuned-1"]);
  await house.place(account, "agent");
  const resolve = (callId: string) => house.resolve({ account, model: "acme/tuned-1", callId });
  expect((await refused(resolve("before"))).reason).toBe("MODEL_UNKNOWN");
  const secret = await house.connectOwn(account, "groq");
  expect(rowOf(await pickSettled(account), "acme/tuned-1")).toMatchObject({
    payer: Payer.BYOK,
    provider: Provider.GROQ,
  });
  expect(await resolve("after")).toMatchObject({ provider: Provider.GROQ, upstreamModel: "acme/tuned-1" });
  house.simulators.groq.setCondition(secret, "revoked");
  await house.as("settings").keyVault.verifyKey({ account, provider: Provider.GROQ });
  expect(rowOf(await pick(account), "acme/tuned-1")).toMatchObject({ payer: Payer.BYOK, keyState: KeyState.DEAD });
  await house.as("settings").keyVault.deleteKey({ account, provider: Provider.GROQ });
  expect((await pick(account, "acme")).models).toEqual([]);
  expect((await refused(resolve("removed"))).reason).toBe("MODEL_UNKNOWN");
});

test("OpenRouter's list is fetched once for everybody, without a key, and seen by those who have one", async () => {
  house.simulators.openrouter.setModels(["aurora/dusk-2", "openai/gpt-5.5"]);
  await house.connectOwn("router-1", "openrouter");
  const first = await pickSettled("router-1");
  await house.connectOwn("router-2", "openrouter");
  const second = await pickSettled("router-2");
  for (const picked of [first, second]) {
    expect(rowOf(picked, "aurora/dusk-2")).toMatchObject({ payer: Payer.BYOK, provider: Provider.OPENROUTER });
  }
  expect(listRequests("openrouter", "/api/v1/models")).toEqual([
    { method: "GET", path: "/api/v1/models", status: 200 },
  ]);
  expect(listRequests("openrouter", "/api/v1/models/user")).toEqual([]);
  expect((await pick("keyless", "aurora")).models).toEqual([]);
});

test("a provider that does not answer holds up neither a list nor a route", async () => {
  const account = "patient";
  await house.connectOwn(account, "together");
  house.simulators.together.setFault({ kind: "hang" });
  await house.place(account, "agent");
  const { lists } = await pick(account);
  expect(lists).toMatchObject([{ provider: Provider.TOGETHER }]);
  const { upstreamModel } = await house.resolve({ account, model: "zai-org/GLM-5.2", callId: "patient-1" });
  expect(upstreamModel).toBe("zai-org/GLM-5.2");
  house.simulators.together.setFault(undefined);
});

test.each([
  { kind: "many_models", count: 100_000 },
  { kind: "huge_list", bytes: 16_000_000 },
] as const)("a list beyond all bounds is refused, and the key is there all the same: %j", async (fault) => {
  const account = `flooded-${fault.kind}`;
  house.simulators.groq.setFault(fault, "get");
  await house.connectOwn(account, "groq");
  const { lists } = await pickSettled(account);
  expect(lists).toMatchObject([{ provider: Provider.GROQ, state: ModelListState.FAILED, modelCount: 0 }]);
  expect(house.service.output()).toContain('"reason":"TOO_LARGE"');
  house.simulators.groq.setFault(undefined);
});
