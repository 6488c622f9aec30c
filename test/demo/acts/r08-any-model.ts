import { RouteReason } from "../../../src/gen/plori/router/v1/router_pb.ts";
import { Payer, Provider } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { OPENROUTER_SPEC } from "../../simulators/providers/openrouter.ts";
import { creditsText, nanoOf } from "../credits.ts";
import { expectSame, present } from "../expectation.ts";
import { expectBilledTo, runCall } from "../model-call.ts";
import { ACCOUNT, HOST, type Stage } from "../stage.ts";
import { pickerGrowsWithKeys } from "./r08-picker.ts";

/** A model that appeared this morning: no list of plori's knows it, and nothing about it may be changed on the way. */
export const BRAND_NEW_MODEL = "Aurora-Labs/Dusk.2-Preview:free";

/** The picker grows with the keys, and what is in no list may be pasted. */
export async function anyModelMayBePicked(stage: Stage): Promise<void> {
  await pickerGrowsWithKeys(stage);
  await anyModelIdMayBePasted(stage);
}

/** An id that nothing knows goes letter by letter to the OpenRouter key. */
async function anyModelIdMayBePasted(stage: Stage): Promise<void> {
  stage.simulators.openrouter.setModels([...OPENROUTER_SPEC.models, BRAND_NEW_MODEL]);
  const { route, charge } = await runCall(stage, BRAND_NEW_MODEL, "pasted-1");
  expectSame(
    "the route of a pasted id",
    [route.provider, route.upstreamModel, route.payer, route.reason],
    [Provider.OPENROUTER, BRAND_NEW_MODEL, Payer.BYOK, RouteReason.OPENROUTER_KEY],
  );
  expectBilledTo(stage, "openrouter", present(stage.ownKeys.get("openrouter"), "the OpenRouter key"), BRAND_NEW_MODEL);
  expectSame("the list price of a model that plori does not sell", charge.listAmount, undefined);
  stage.tell.step({
    who: HOST,
    asks: `calls ${BRAND_NEW_MODEL}, new today`,
    gets: `${ACCOUNT}'s OpenRouter key, verbatim: ${creditsText(nanoOf(charge.amount, "the charge"))}`,
  });
}
