import { RevocationCause } from "../../../src/gen/plori/router/v1/router_pb.ts";
import { Payer } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { revocationLine, watchRevocations } from "../../support/revocation-watch.ts";
import { expectSame, expectThat, present } from "../expectation.ts";
import { connectOwnKey, PROVIDER_NUMBERS } from "../keys.ts";
import { callModel, expectRecorded, runCall } from "../model-call.ts";
import { ACCOUNT, HOST, type Stage } from "../stage.ts";

/** How the story calls what hosts hear of. */
export const REVOCATION_TITLE = "A host that may reuse a route learns at once when it must not";

const MODEL = "openai/gpt-5.5";
const HEARD_MAX_MS = 5_000;

/** A host holds a lease on the user's key; the user removes the key; the host hears of it, drops the lease, and its next route goes to credits. */
export async function revocationReachesHost(stage: Stage): Promise<void> {
  const { tell } = stage;
  const key = await connectOwnKey(stage, "openai");
  const stream = await watchRevocations(stage.as(HOST).router);
  const { route, reply } = await runCall(stage, MODEL, "lease-1");
  expectSame("the lease's payer", route.payer, Payer.BYOK);
  expectThat(route.reuseUntilTime !== undefined, "a route on the user's own key may be reused");
  expectThat(reply.text !== "", "the model answered");
  // The lease serves the next call without asking.
  await expectRecorded(stage, route, "lease-2", await callModel(route));
  tell.step({ who: HOST, asks: `calls ${MODEL} twice on one route`, gets: `${ACCOUNT}'s OpenAI key, reusable` });
  await stage
    .as("settings")
    .keyVault.deleteKey({ account: ACCOUNT, provider: PROVIDER_NUMBERS.openai, etag: key.etag });
  const removedAt = performance.now();
  const heard = await Promise.race([
    stream.until(({ revocations }) => revocations.length > 0),
    new Promise<undefined>((resolve) => setTimeout(resolve, HEARD_MAX_MS, undefined).unref()),
  ]);
  const heardMs = Math.round(performance.now() - removedAt);
  const revocation = present(heard?.revocations[0], "the revocation");
  expectSame("what is revoked", revocationLine(revocation), `KEY_DELETED ${ACCOUNT} * ${key.name} v${key.version}`);
  expectSame("its cause", revocation.cause, RevocationCause.KEY_DELETED);
  await stream.stop();
  tell.step({ who: "settings", asks: "DeleteKey: OpenAI", gets: "gone" });
  tell.step({ who: HOST, asks: "hears of it", gets: `${heardMs} ms after the answer: ${key.name} is not to be used` });
  const next = await runCall(stage, MODEL, "lease-3");
  expectSame("who pays for the next call", next.route.payer, Payer.HOSTED);
  expectThat(next.route.reuseUntilTime === undefined, "a hosted route serves one call");
  tell.step({ who: HOST, asks: `calls ${MODEL}`, gets: "hosted credits, for one call" });
}
