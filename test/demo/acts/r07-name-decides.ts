import type { Provider } from "../../../src/base/provider.ts";
import { RouteReason, Verdict } from "../../../src/gen/plori/router/v1/router_pb.ts";
import { Payer } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { availableNano } from "../account.ts";
import { creditsText, nanoOf } from "../credits.ts";
import { expectRefused, expectSame, present } from "../expectation.ts";
import { connectOwnKey, PROVIDER_NUMBERS, providerText } from "../keys.ts";
import { expectBilledTo, runCall } from "../model-call.ts";
import { ESTIMATE } from "../price-list.ts";
import { ACCOUNT, AGENT, HOST, type Stage } from "../stage.ts";

const CLAUDE = "anthropic/claude-opus-4.8";

/** Where a call is expected to go. */
interface Expected {
  readonly model: string;
  readonly provider: Provider;
  readonly upstreamModel: string;
  readonly payer: Payer;
  readonly reason: RouteReason;
}

/** Models go where their names say: to the key of their own provider, else to the OpenRouter key, else to credits. And only for the agent's own host. */
export async function keyDecidesRoute(stage: Stage): Promise<void> {
  await connect(stage, "groq");
  const own = { payer: Payer.BYOK, reason: RouteReason.NATIVE_KEY } as const;
  const gpt = { model: "openai/gpt-5.5", provider: "openai", upstreamModel: "gpt-5.5" } as const;
  const oss = "openai/gpt-oss-120b";
  await goes(stage, "name-1", { ...own, ...gpt });
  await goes(stage, "name-2", { ...own, model: "gpt-5.4-mini", provider: "openai", upstreamModel: "gpt-5.4-mini" });
  await goes(stage, "name-3", { ...own, model: oss, provider: "groq", upstreamModel: oss });
  await goes(stage, "name-4", {
    ...own,
    model: "llama-3.1-8b-instant",
    provider: "groq",
    upstreamModel: "llama-3.1-8b-instant",
  });
  const claude = { model: CLAUDE, provider: "openrouter", upstreamModel: CLAUDE } as const;
  await goes(stage, "name-5", { ...claude, payer: Payer.HOSTED, reason: RouteReason.HOSTED });
  await connect(stage, "openrouter");
  await goes(stage, "name-6", { ...claude, payer: Payer.BYOK, reason: RouteReason.OPENROUTER_KEY });
  await goes(stage, "name-7", { ...own, ...gpt });
  await explain(stage);
  await refuseOthers(stage);
}

async function connect(stage: Stage, provider: Provider): Promise<void> {
  const key = await connectOwnKey(stage, provider);
  stage.tell.step({ who: "settings", asks: `ConnectKey: ${providerText(key.provider)}`, gets: "ACTIVE" });
}

async function goes(
  stage: Stage,
  callId: string,
  { model, provider, upstreamModel, payer, reason }: Expected,
): Promise<void> {
  const { route, charge } = await runCall(stage, model, callId);
  expectSame(
    `the route of ${model}`,
    { provider: route.provider, upstreamModel: route.upstreamModel, payer: route.payer, reason: route.reason },
    { provider: PROVIDER_NUMBERS[provider], upstreamModel, payer, reason },
  );
  expectSame("the payer of the charge", charge.payer, payer);
  const key = stage.ownKeys.get(provider);
  if (payer === Payer.BYOK) expectBilledTo(stage, provider, present(key, "the user's own key"), upstreamModel);
  const whose = payer === Payer.BYOK ? `${ACCOUNT}'s ${providerText(route.provider)} key` : "hosted credits";
  stage.tell.step({
    who: HOST,
    asks: `calls ${model}`,
    gets: `${whose}, as ${upstreamModel}: ${creditsText(nanoOf(charge.amount, "the charge"))}`,
    ...(payer === Payer.BYOK ? {} : { balanceNano: await availableNano(stage) }),
  });
}

async function explain(stage: Stage): Promise<void> {
  const { candidates, payer, refusal } = await stage
    .as("settings")
    .router.explainRoute({ account: ACCOUNT, agent: AGENT, model: CLAUDE, estimate: ESTIMATE });
  expectSame("who would pay", [payer, refusal], [Payer.BYOK, ""]);
  const told = candidates.map((one) => {
    const who = one.payer === Payer.HOSTED ? "credits" : providerText(one.provider);
    return `${who} ${nameOf(Verdict, one.verdict)} (${nameOf(RouteReason, one.reason)})`;
  });
  stage.tell.step({
    who: "settings",
    asks: `ExplainRoute: ${CLAUDE}`,
    gets: `${candidates.length} candidates`,
    says: told.join("; "),
  });
}

/** Nobody but the host that runs the agent gets a credential, and nobody learns from the denial what exists. */
async function refuseOthers(stage: Stage): Promise<void> {
  const request = { account: ACCOUNT, agent: AGENT, model: "openai/gpt-5.5", callId: "stolen" };
  const foreign = stage.as("agent-host-2").router;
  const notPlaced = "PERMISSION_DENIED AGENT_NOT_PLACED";
  const here = await expectRefused("another host", notPlaced, foreign.resolveRoute(request));
  const unknown = await expectRefused(
    "another host, for an account that does not exist",
    notPlaced,
    foreign.resolveRoute({ ...request, account: "nobody" }),
  );
  expectSame("what another host learns", here, unknown);
  stage.tell.step({
    who: "agent-host-2",
    asks: `ResolveRoute for ${ACCOUNT}'s agent`,
    gets: here.title,
    says: here.message,
  });
  for (const caller of ["admin", "settings"] as const) {
    const title = "PERMISSION_DENIED ROLE_NOT_ALLOWED";
    await expectRefused(caller, title, stage.as(caller).router.resolveRoute(request));
    stage.tell.step({ who: caller, asks: "ResolveRoute", gets: title });
  }
}

function nameOf(names: Readonly<Record<string, number>>, number: number): string {
  return Object.keys(names).find((name) => names[name] === number) ?? String(number);
}
