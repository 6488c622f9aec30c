import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { APIError } from "openai";
import type { Provider } from "../../../src/base/provider.ts";
import { KeyState } from "../../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import {
  OnKeyFailure,
  OutputLimit,
  type Route,
  RouteReason,
  Verdict,
} from "../../../src/gen/plori/router/v1/router_pb.ts";
import { Advice } from "../../../src/gen/plori/router/v1/router_service_pb.ts";
import { Payer } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { creditsOf, nanoOf } from "../credits.ts";
import { expectRefused, expectSame, expectThat, present } from "../expectation.ts";
import { makeKey, PROVIDER_NUMBERS, pasteKey, providerText } from "../keys.ts";
import { callModel } from "../model-call.ts";
import { ESTIMATE } from "../price-list.ts";
import { AGENT, HOST, type Stage } from "../stage.ts";

/** How the story calls what an account may choose. */
export const POLICIES_TITLE = "A key dies, and its owner's policy alone decides who pays instead";

/** A third user, who has an OpenAI key, an OpenRouter key and credits. */
const ACCOUNT = "ines";
const MODEL = "openai/gpt-5.5";
const PLACED_MS = 3_600_000;
const CREDITS = 100n;
/** Less than the call may cost at most: 22 credits by its estimate. */
const CAP = 15n;

/** OpenAI revokes the key. Under STOP the call is refused, under OTHER_KEYS the OpenRouter key pays, under CREDITS the credits do, up to a cap. */
export async function policiesDecide(stage: Stage): Promise<void> {
  const openai = await openAccount(stage);
  await findOutThatItDied(stage, openai);
  const refused = await expectRefused("a call under STOP", "FAILED_PRECONDITION KEY_DEAD", resolve(stage, "policy-2"));
  stage.tell.step({ who: HOST, asks: "under STOP, the default", gets: refused.title, says: refused.message });
  const first = await choose(stage, { onKeyFailure: OnKeyFailure.OTHER_KEYS, etag: "" });
  const other = await resolve(stage, "policy-3");
  expectSame("who serves", [other.payer, other.provider], [Payer.BYOK, PROVIDER_NUMBERS.openrouter]);
  tellRoute(stage, "under OTHER_KEYS", other, `${ACCOUNT}'s ${providerText(other.provider)} key`);
  await stage.as("settings").keyVault.deleteKey({ account: ACCOUNT, provider: PROVIDER_NUMBERS.openrouter });
  await expectRefused("a call without another key", "FAILED_PRECONDITION KEY_DEAD", resolve(stage, "policy-4"));
  await choose(stage, { onKeyFailure: OnKeyFailure.CREDITS, maxHostedCallAmount: { units: CAP }, etag: first });
  const hosted = await resolve(stage, "policy-5");
  expectSame("who pays", [hosted.payer, hosted.reason], [Payer.HOSTED, RouteReason.HOSTED]);
  expectSame("what made the output smaller", hosted.outputLimit, OutputLimit.SPEND_CAP);
  const hold = present(hosted.hold, "the hold");
  expectThat(nanoOf(hold.amount, "the hold") <= creditsOf(String(CAP)), "the hold is within the cap");
  const credits = `hosted credits, at most ${CAP}: ${hosted.maxOutputTokens} output tokens instead of ${ESTIMATE.maxOutputTokens}`;
  tellRoute(stage, "under CREDITS, without the OpenRouter key", hosted, credits);
  await stage.as(HOST).ledger.releaseHold({ account: ACCOUNT, hold: hold.name });
}

async function openAccount(stage: Stage): Promise<string> {
  const secrets: string[] = [];
  for (const slug of ["openai", "openrouter"] as const satisfies readonly Provider[]) {
    const secret = makeKey(stage, slug);
    secrets.push(secret);
    const key = await pasteKey(stage, "settings", { account: ACCOUNT, provider: PROVIDER_NUMBERS[slug], secret });
    expectSame(`the state of the ${slug} key`, key.state, KeyState.ACTIVE);
  }
  await stage.as("billing").ledger.grantCredits({ account: ACCOUNT, amount: { units: CREDITS } });
  const expireTime = timestampFromMs(Date.now() + PLACED_MS);
  const placement = { account: ACCOUNT, agent: AGENT, host: HOST, generation: 1n, expireTime };
  await stage.as("scheduler").router.placeAgents({ placements: [placement] });
  stage.tell.step({
    who: ACCOUNT,
    asks: "has an OpenAI key, an OpenRouter key and an agent",
    gets: `and ${CREDITS} credits`,
  });
  return present(secrets[0], "the OpenAI key");
}

async function findOutThatItDied(stage: Stage, secret: string): Promise<void> {
  const route = await resolve(stage, "policy-1");
  stage.simulators.openai.revoke(secret);
  const failed = await callModel(route).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failed instanceof APIError)) throw failed ?? new Error("a call with a revoked key was answered");
  const report = await stage.as(HOST).router.reportOutcome({
    route: route.route,
    callId: "policy-1",
    httpStatus: failed.status ?? 0,
    providerError: { code: String(failed.code) },
  });
  expectSame("the key's state and the advice", [report.keyState, report.advice], [KeyState.DEAD, Advice.STOP]);
  stage.tell.step({
    who: HOST,
    asks: `ReportOutcome: OpenAI answered ${failed.status}`,
    gets: "DEAD: stop",
    says: report.stateReason,
  });
}

async function resolve(stage: Stage, callId: string): Promise<Route> {
  const request = { account: ACCOUNT, agent: AGENT, model: MODEL, callId, estimate: ESTIMATE };
  return present((await stage.as(HOST).router.resolveRoute(request)).route, "the route");
}

/** Changes the policy. Returns its etag. */
async function choose(
  stage: Stage,
  routingPolicy: {
    readonly onKeyFailure: OnKeyFailure;
    readonly etag: string;
    readonly maxHostedCallAmount?: { readonly units: bigint };
  },
): Promise<string> {
  const answer = await stage.as("settings").router.updateRoutingPolicy({ account: ACCOUNT, routingPolicy });
  const policy = present(answer.routingPolicy, "the policy");
  expectSame("the policy", policy.onKeyFailure, routingPolicy.onKeyFailure);
  return policy.etag;
}

/** Tells of a route, and expects that it says itself why the dead key does not serve. */
function tellRoute(stage: Stage, asks: string, { candidates }: Route, gets: string): void {
  const [dead] = candidates;
  expectSame("what is told of the dead key", [dead?.verdict, dead?.reason], [Verdict.SKIPPED, RouteReason.KEY_DEAD]);
  stage.tell.step({ who: HOST, asks, gets, says: "the route says: OpenAI SKIPPED, KEY_DEAD" });
}
