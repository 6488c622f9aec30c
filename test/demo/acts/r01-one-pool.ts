import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { KeyState } from "../../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { GrantCategory } from "../../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { Payer } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { availableNano, readBalance } from "../account.ts";
import { creditsOf, creditsText, nanoOf } from "../credits.ts";
import { expectSame, present } from "../expectation.ts";
import { makeKey, PROVIDER_NUMBERS, pasteKey, providerText } from "../keys.ts";
import { COMPUTE_NANO, DISK_NANO, recordMeters } from "../meters.ts";
import { callModel, expectRecorded, resolveRoute } from "../model-call.ts";
import { listPriceNano, worstCaseNano } from "../price-list.ts";
import { ACCOUNT, AGENT, HOST, type Stage } from "../stage.ts";

const MODEL = "openai/gpt-5.5";
const CALL_ID = "call-1";
const GRANTED = "1000";
const PLACED_MS = 3_600_000;
/** The providers that plori holds keys of its own for. */
const HOSTING = ["openai", "openrouter"] as const;

/** Credits, plori's own keys and a placed agent; then a model call, compute and disk, all paid from one pool. */
export async function hostedFromOnePool(stage: Stage): Promise<void> {
  await grant(stage);
  await connectPlatformKeys(stage);
  await placeAgent(stage);
  await callHosted(stage);
  const beforeNano = await availableNano(stage);
  await recordMeters(stage, "morning");
  const balance = await readBalance(stage);
  const left = nanoOf(balance.available, "the available credits");
  expectSame("the balance after compute and disk", left, beforeNano - COMPUTE_NANO - DISK_NANO);
  expectSame(
    "the one pool",
    balance.grants.map((pool) => nanoOf(pool.remaining, "what is left of it")),
    [left],
  );
  stage.tell.step({
    who: "recorder",
    asks: "RecordUsage: 1 h of 2 vCPU + 4 GiB, and 72 GiB disk",
    gets: `charged ${creditsText(COMPUTE_NANO)} + ${creditsText(DISK_NANO)}`,
    balanceNano: left,
  });
}

async function grant(stage: Stage): Promise<void> {
  await stage.as("billing").ledger.grantCredits({
    account: ACCOUNT,
    amount: { units: BigInt(GRANTED), nanos: 0 },
    category: GrantCategory.PAID,
  });
  const balanceNano = await availableNano(stage);
  expectSame("the balance after the grant", balanceNano, creditsOf(GRANTED));
  stage.tell.step({ who: "billing", asks: `GrantCredits: ${GRANTED} to ${ACCOUNT}`, gets: "granted", balanceNano });
}

async function connectPlatformKeys(stage: Stage): Promise<void> {
  for (const provider of HOSTING) {
    const secret = makeKey(stage, provider);
    const key = await pasteKey(stage, "admin", { account: "platform", provider: PROVIDER_NUMBERS[provider], secret });
    expectSame(`the state of plori's ${provider} key`, key.state, KeyState.ACTIVE);
  }
  stage.tell.step({ who: "admin", asks: "ConnectKey: plori's own OpenAI and OpenRouter keys", gets: "both ACTIVE" });
}

async function placeAgent(stage: Stage): Promise<void> {
  const placement = {
    account: ACCOUNT,
    agent: AGENT,
    host: HOST,
    generation: 1n,
    expireTime: timestampFromMs(Date.now() + PLACED_MS),
  };
  const { placements } = await stage.as("scheduler").router.placeAgents({ placements: [placement] });
  expectSame(
    "the host of the placed agent",
    placements.map(({ host }) => host),
    [HOST],
  );
  stage.tell.step({
    who: "scheduler",
    asks: `PlaceAgents: ${ACCOUNT}'s agent ${AGENT} on ${HOST}`,
    gets: "placed for 1 h",
  });
}

async function callHosted(stage: Stage): Promise<void> {
  const beforeNano = await availableNano(stage);
  const route = await resolveRoute(stage, MODEL, CALL_ID);
  expectSame("who pays", route.payer, Payer.HOSTED);
  const holdNano = nanoOf(present(route.hold, "the hold").amount, "the hold");
  expectSame("the hold", holdNano, worstCaseNano(MODEL));
  const heldBalanceNano = await availableNano(stage);
  expectSame("the balance while the hold is open", heldBalanceNano, beforeNano - holdNano);
  stage.tell.step({
    who: HOST,
    asks: `ResolveRoute: ${MODEL}`,
    gets: `HOSTED by ${providerText(route.provider)}, credential of ${route.credential.length} bytes, hold ${creditsText(holdNano)}`,
    balanceNano: heldBalanceNano,
  });
  const reply = await callModel(route, "streamed");
  stage.tell.step({
    who: "openai SDK",
    asks: `streams ${route.upstreamModel} from the resolved base URL`,
    gets: `"${reply.text}" ${reply.usage.prompt_tokens} tokens in, ${reply.usage.completion_tokens} out`,
  });
  const charge = await expectRecorded(stage, route, CALL_ID, reply);
  const chargedNano = nanoOf(charge.amount, "the charge");
  expectSame("the charge", chargedNano, listPriceNano(MODEL, reply.usage));
  const { available, held } = await readBalance(stage);
  expectSame("what is held after the charge", nanoOf(held, "the held credits"), 0n);
  const balanceNano = nanoOf(available, "the available credits");
  expectSame("the balance after the charge", balanceNano, beforeNano - chargedNano);
  stage.tell.step({
    who: HOST,
    asks: "RecordUsage: the SDK's usage object as it came",
    gets: `charged ${creditsText(chargedNano)}, hold released`,
    balanceNano,
  });
}
