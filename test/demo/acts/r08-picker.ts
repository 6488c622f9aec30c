import { type Model, ModelListState } from "../../../src/gen/plori/router/v1/model_pb.ts";
import { Payer, Provider } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { GROQ_SPEC } from "../../simulators/providers/groq.ts";
import { expectSame, expectThat } from "../expectation.ts";
import { makeKey, PROVIDER_NUMBERS, pasteKey } from "../keys.ts";
import type { Stage } from "../stage.ts";

/** An account that has no key yet. */
const NEWCOMER = "noor";
/** A model that Groq made for this key alone: nobody else's list names it. */
const TUNED = "noor-labs/tuned-for-noor";
const LIST_MAX_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** The picker before and after a key exists: the hosted models, then the provider's own beside them, each with who pays. */
export async function pickerGrowsWithKeys(stage: Stage): Promise<void> {
  const before = await pick(stage);
  expectThat(before.length > 0, "hosted models can be picked without a key");
  expectSame("what is paid by a key before there is one", paidBy(before, Payer.BYOK), []);
  stage.tell.step({
    who: "settings",
    asks: `ListModels of ${NEWCOMER}, who has no key`,
    gets: `${before.length} models, all on credits`,
  });
  stage.simulators.groq.setModels([...GROQ_SPEC.models, TUNED]);
  const secret = makeKey(stage, "groq");
  await pasteKey(stage, "settings", { account: NEWCOMER, provider: PROVIDER_NUMBERS.groq, secret });
  await listFetched(stage);
  const after = await pick(stage);
  const own = paidBy(after, Payer.BYOK);
  for (const id of [...GROQ_SPEC.models.filter((model) => model.startsWith("openai/gpt-oss")), TUNED]) {
    expectThat(own.includes(id), `${id} is there, on the key`);
  }
  const tuned = after.find(({ id }) => id === TUNED);
  expectSame("who serves the tuned model", [tuned?.provider, tuned?.upstreamModel], [Provider.GROQ, TUNED]);
  const kept = new Set(after.map(({ id }) => id));
  expectSame(
    "the hosted models that went",
    before.filter(({ id }) => !kept.has(id)).map(({ id }) => id),
    [],
  );
  stage.tell.step({
    who: "settings",
    asks: `ListModels, with a Groq key connected`,
    gets: `${after.length} models, ${own.length} of them on the key: zero credits`,
  });
}

/** Every model that the newcomer can pick. */
async function pick(stage: Stage): Promise<readonly Model[]> {
  const models: Model[] = [];
  let pageToken = "";
  do {
    const page = await stage.as("settings").router.listModels({ account: NEWCOMER, pageSize: 500, pageToken });
    models.push(...page.models);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return models;
}

/** Resolves when the newcomer's list was fetched, in the background, as it always is. */
async function listFetched(stage: Stage): Promise<void> {
  const endMs = Date.now() + LIST_MAX_MS;
  while (Date.now() < endMs) {
    const { lists } = await stage.as("settings").router.listModels({ account: NEWCOMER, pageSize: 1 });
    if (lists.length > 0 && lists.every(({ state }) => state === ModelListState.FETCHED)) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  expectThat(false, "the list of models is fetched soon after the key was connected");
}

function paidBy(models: readonly Model[], payer: Payer): readonly string[] {
  return models.filter((model) => model.payer === payer).map(({ id }) => id);
}
