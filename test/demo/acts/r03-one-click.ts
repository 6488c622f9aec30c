import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { KeySource, KeyState } from "../../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { Payer } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { approve, decideAtConsentPage } from "../../simulators/consent.ts";
import { expectRefused, expectSame, expectThat, present } from "../expectation.ts";
import { listKeys } from "../keys.ts";
import { callModel, expectBilledTo } from "../model-call.ts";
import { ESTIMATE } from "../price-list.ts";
import { AGENT, HOST, type Stage } from "../stage.ts";

/** Another user, so that the story of the first goes on as it was. */
export const ONE_CLICK_ACCOUNT = "lena";
const ACCOUNT = ONE_CLICK_ACCOUNT;
const CALLBACK = "http://localhost:8788/settings/connected?tab=keys";
const CLAUDE = "anthropic/claude-opus-4.8";
const PLACED_MS = 3_600_000;

/** The user approves on OpenRouter's site, and the key that is made there goes from OpenRouter to the vault: no browser ever sees it. */
export async function oneClickConnects(stage: Stage): Promise<void> {
  const { consent } = stage.simulators.openrouter;
  const { keyVault } = stage.as("settings");
  const denied = await decideAtConsentPage(await begin(stage), "deny");
  expectSame("what comes back when the user denies", denied.searchParams.has("code"), false);
  stage.tell.step({ who: "user", asks: "denies on OpenRouter's page", gets: "back in the app, without a code" });
  const { connectId, code } = await approve(await begin(stage));
  expectThat(code !== "", "OpenRouter sends the user back with a code");
  stage.tell.step({
    who: "user",
    asks: "approves on OpenRouter's page",
    gets: "back in the app, with a code and no key",
  });
  const request = { account: ACCOUNT, connectId, code };
  const foreign = await expectRefused(
    "the same callback for another account",
    "NOT_FOUND CONNECT_NOT_FOUND",
    keyVault.completeOpenRouterConnect({ ...request, account: "omar" }),
  );
  stage.tell.step({ who: "settings", asks: "CompleteOpenRouterConnect, as another account", gets: foreign.title });
  const { key } = await keyVault.completeOpenRouterConnect(request);
  const minted = present(consent.minted.at(-1), "the minted key");
  stage.typedKeys.add(minted);
  expectSame("the key's source and state", [key?.source, key?.state], [KeySource.ONE_CLICK, KeyState.ACTIVE]);
  stage.tell.step({
    who: "settings",
    asks: "CompleteOpenRouterConnect",
    gets: "ACTIVE, one click; the key stays inside",
  });
  const again = await expectRefused(
    "the same callback once more",
    "FAILED_PRECONDITION CONNECT_SPENT",
    keyVault.completeOpenRouterConnect(request),
  );
  stage.tell.step({ who: "settings", asks: "the same once more", gets: again.title, says: again.message });
  expectSame("the keys that OpenRouter made", consent.minted.length, 1);
  expectSame("the keys that are stored", (await listKeys(stage, ACCOUNT)).length, 1);
  await callWithIt(stage, minted);
}

async function begin(stage: Stage): Promise<string> {
  const { keyVault } = stage.as("settings");
  const { authorizationUrl, connectId } = await keyVault.beginOpenRouterConnect({
    account: ACCOUNT,
    callbackUrl: CALLBACK,
    actor: ACCOUNT,
  });
  const page = new URL(authorizationUrl);
  expectSame("where the user is sent", page.origin, stage.simulators.openrouter.origin);
  expectSame("the challenge's method", page.searchParams.get("code_challenge_method"), "S256");
  expectThat(page.searchParams.get("callback_url")?.includes(connectId), "the callback carries the connect's id");
  stage.tell.step({
    who: "settings",
    asks: "BeginOpenRouterConnect",
    gets: `OpenRouter's ${page.pathname}, with an S256 challenge`,
  });
  return authorizationUrl;
}

/** The agent's host gets the very key that was made, and the call is billed to it. */
async function callWithIt(stage: Stage, minted: string): Promise<void> {
  const expireTime = timestampFromMs(Date.now() + PLACED_MS);
  const placements = [{ account: ACCOUNT, agent: AGENT, host: HOST, generation: 1n, expireTime }];
  await stage.as("scheduler").router.placeAgents({ placements });
  const { route } = await stage
    .as(HOST)
    .router.resolveRoute({ account: ACCOUNT, agent: AGENT, model: CLAUDE, callId: "click-1", estimate: ESTIMATE });
  const there = present(route, "the route");
  expectSame("who pays", there.payer, Payer.BYOK);
  await callModel(there);
  expectBilledTo(stage, "openrouter", minted, CLAUDE);
  stage.tell.step({ who: HOST, asks: `calls ${CLAUDE} for ${ACCOUNT}`, gets: `${ACCOUNT}'s OpenRouter key` });
}
