import type { Provider } from "../../../src/base/provider.ts";
import { Payer } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { availableNano } from "../account.ts";
import { creditsText, nanoOf } from "../credits.ts";
import { expectRefused, expectSame, present } from "../expectation.ts";
import { listKeys, PROVIDER_NUMBERS, providerText } from "../keys.ts";
import { resolveRoute, runCall } from "../model-call.ts";
import { listPriceNano } from "../price-list.ts";
import { ACCOUNT, HOST, type Stage } from "../stage.ts";
import { BRAND_NEW_MODEL } from "./r08-any-model.ts";

const MODEL = "openai/gpt-5.5";

/** Keys are removed one after the other, and the next route goes where the rest leads: to the OpenRouter key, then to credits. */
export async function removedKeyFallsBack(stage: Stage): Promise<void> {
  const own = stage.simulators.openai.spendOf(present(stage.ownKeys.get("openai"), "the OpenAI key"));
  await remove(stage, "openai");
  await callAgain(stage, "after-1", Payer.BYOK, "openrouter");
  await remove(stage, "openrouter");
  await remove(stage, "groq");
  expectSame("the keys that are left", await listKeys(stage), []);
  await callAgain(stage, "after-2", Payer.HOSTED, "openai");
  const removed = stage.ownKeys.get("openai");
  expectSame("calls on the removed key", stage.simulators.openai.spendOf(present(removed, "the key")), own);
  const refused = await expectRefused(
    "a model that only a key could serve",
    "NOT_FOUND MODEL_UNKNOWN",
    resolveRoute(stage, BRAND_NEW_MODEL, "after-3"),
  );
  stage.tell.step({ who: HOST, asks: `calls ${BRAND_NEW_MODEL}`, gets: refused.title, says: refused.message });
}

async function remove(stage: Stage, slug: Provider): Promise<void> {
  const { keyVault } = stage.as("settings");
  const provider = PROVIDER_NUMBERS[slug];
  const { key } = await keyVault.getKey({ account: ACCOUNT, provider });
  await keyVault.deleteKey({ account: ACCOUNT, provider, etag: present(key, "the key").etag });
  await expectRefused("a removed key", "NOT_FOUND KEY_NOT_FOUND", keyVault.getKey({ account: ACCOUNT, provider }));
  stage.tell.step({ who: "settings", asks: `DeleteKey: ${providerText(provider)}`, gets: "gone" });
}

async function callAgain(stage: Stage, callId: string, payer: Payer, provider: Provider): Promise<void> {
  const beforeNano = await availableNano(stage);
  const { route, reply, charge } = await runCall(stage, MODEL, callId);
  expectSame(`the route of ${MODEL}`, [route.payer, route.provider], [payer, PROVIDER_NUMBERS[provider]]);
  const chargedNano = nanoOf(charge.amount, "the charge");
  expectSame("the charge", chargedNano, payer === Payer.BYOK ? 0n : listPriceNano(MODEL, reply.usage));
  const balanceNano = await availableNano(stage);
  expectSame("the balance after the call", balanceNano, beforeNano - chargedNano);
  stage.tell.step({
    who: HOST,
    asks: `calls ${MODEL}`,
    gets: `${payer === Payer.BYOK ? `${ACCOUNT}'s ${providerText(route.provider)} key` : "hosted credits"}: ${creditsText(chargedNano)}`,
    balanceNano,
  });
}
