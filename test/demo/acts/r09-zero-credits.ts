import { Code } from "@connectrpc/connect";
import { RecordOutcome } from "../../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { Payer } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { availableNano, listCharges } from "../account.ts";
import { creditsText, nanoOf } from "../credits.ts";
import { expectSame, expectThat, present } from "../expectation.ts";
import { expectBilledTo, type FinishedCall, recordCall, runCall } from "../model-call.ts";
import { type ListedModel, listPriceNano } from "../price-list.ts";
import { ACCOUNT, HOST, type Stage } from "../stage.ts";

const CALL_ID = "own-1";
const COST_TICKS_PER_USD_NANO = 10;

/** Calls on the user's own keys leave the balance as it was; the list price stands beside the zero. A record sent twice counts once. */
export async function ownKeyCostsNothing(stage: Stage): Promise<void> {
  const beforeNano = await availableNano(stage);
  const streamed = await callOwn(stage, "openai/gpt-5.5", CALL_ID, "openai");
  const claude = await callOwn(stage, "anthropic/claude-opus-4.8", "own-2", "openrouter");
  const spent = stage.simulators.openrouter.spendOf(present(stage.ownKeys.get("openrouter"), "the OpenRouter key"));
  const perCallUsdNanos = BigInt(spent.costTicks / spent.calls / COST_TICKS_PER_USD_NANO);
  expectSame("the provider's own bill", claude.charge.providerCostUsdNanos, perCallUsdNanos);
  stage.tell.step({
    who: "OpenRouter",
    asks: `bills ${ACCOUNT} directly`,
    gets: `${Number(perCallUsdNanos) / 1e9} USD for the call, no plori markup`,
  });
  await replay(stage, streamed);
  expectSame("the balance after calls on own keys", await availableNano(stage), beforeNano);
}

async function callOwn(
  stage: Stage,
  model: ListedModel,
  callId: string,
  provider: "openai" | "openrouter",
): Promise<FinishedCall> {
  const call = await runCall(stage, model, callId, "streamed");
  const { route, reply, charge } = call;
  expectSame("who pays", [route.payer, charge.payer], [Payer.BYOK, Payer.BYOK]);
  expectSame("the hold of a call on an own key", route.hold, undefined);
  expectBilledTo(stage, provider, present(stage.ownKeys.get(provider), "the user's own key"), route.upstreamModel);
  const chargedNano = nanoOf(charge.amount, "the charge");
  const listNano = nanoOf(charge.listAmount, "the list price");
  expectSame("the charge", chargedNano, 0n);
  expectSame("the list price", listNano, listPriceNano(model, reply.usage));
  stage.tell.step({
    who: HOST,
    asks: `streams ${model}, records it`,
    gets: `charged ${creditsText(chargedNano)}, list price ${creditsText(listNano)}`,
    balanceNano: await availableNano(stage),
  });
  return call;
}

async function replay(stage: Stage, { route, reply, charge }: FinishedCall): Promise<void> {
  const before = await listCharges(stage);
  const again = await recordCall(stage, route, CALL_ID, reply);
  expectSame("the outcome of the same record", again.outcome, RecordOutcome.REPLAYED);
  expectSame("the charge of the same record", again.charge, charge);
  const usage = { ...reply.usage, completion_tokens: reply.usage.completion_tokens + 1 };
  const altered = await recordCall(stage, route, CALL_ID, { ...reply, usage });
  expectSame("the outcome of an altered record", altered.outcome, RecordOutcome.REJECTED);
  const { code, message } = present(altered.status, "the rejection");
  expectSame("the code of the rejection", code, Code.AlreadyExists);
  expectThat(message.includes(CALL_ID), "the rejection names the usage id");
  expectSame("the charges", await listCharges(stage), before);
  stage.tell.step({
    who: HOST,
    asks: "records the same usage_id again",
    gets: "REPLAYED: the first charge, nothing new",
  });
  stage.tell.step({
    who: HOST,
    asks: "records it with other numbers",
    gets: "REJECTED, ALREADY_EXISTS",
    says: message,
  });
}
