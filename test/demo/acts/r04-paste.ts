import { PROVIDERS } from "../../../src/base/provider.ts";
import { KeySource, KeyState } from "../../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { Provider } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { expectRefused, expectSame, expectThat } from "../expectation.ts";
import { connectOwnKey, listKeys, makeKey, PROVIDER_NUMBERS, pasteKey } from "../keys.ts";
import { ACCOUNT, type Stage } from "../stage.ts";

/** Another user, who has a key of every provider. */
export const SIX_KEYS_ACCOUNT = "rosa";

const REJECTED = "INVALID_ARGUMENT KEY_REJECTED";

/** Keys that cannot serve are caught while they are saved, and leave nothing behind; a good one is stored. */
export async function pastedKeysAreChecked(stage: Stage): Promise<void> {
  const { openai } = stage.simulators;
  await refuse(stage, "an OpenAI key with one letter wrong", REJECTED, mistype(openai.mintKey()));
  const asked = openai.requests.length;
  const groqKey = stage.simulators.groq.mintKey();
  const says = await refuse(stage, "a Groq key, as OpenAI's", "INVALID_ARGUMENT KEY_SHAPE_MISMATCH", groqKey);
  expectThat(/looks like a Groq key/.test(says), "the refusal says whose key it looks like");
  expectSame("the requests that OpenAI got with a Groq key", openai.requests.length - asked, 0);
  const revoked = openai.mintKey();
  openai.revoke(revoked);
  await refuse(stage, "a key that OpenAI has revoked", REJECTED, revoked);
  const stored = await listKeys(stage);
  expectSame("the keys stored after three refusals", stored, []);
  stage.tell.step({ who: "settings", asks: "ListKeys", gets: "none: nothing was stored" });
  const key = await connectOwnKey(stage, "openai");
  expectSame("the source of a pasted key", key.source, KeySource.PASTED);
  stage.tell.step({ who: "settings", asks: "ConnectKey: a good OpenAI key", gets: `ACTIVE, version ${key.version}` });
  await tryAllProviders(stage);
}

async function refuse(stage: Stage, what: string, title: string, secret: string): Promise<string> {
  const refused = await expectRefused(
    what,
    title,
    pasteKey(stage, "settings", { account: ACCOUNT, provider: Provider.OPENAI, secret }),
  );
  stage.tell.step({ who: "settings", asks: `ConnectKey: ${what}`, gets: refused.title, says: refused.message });
  return refused.message;
}

/** The same at every provider: a revoked key is refused and not stored, a live one serves. */
async function tryAllProviders(stage: Stage): Promise<void> {
  for (const slug of PROVIDERS) {
    const simulator = stage.simulators[slug];
    const provider = PROVIDER_NUMBERS[slug];
    const dead = simulator.mintKey();
    simulator.revoke(dead);
    const pasted = pasteKey(stage, "settings", { account: "omar", provider, secret: dead });
    await expectRefused(`a revoked key of ${slug}`, REJECTED, pasted);
    const live = await pasteKey(stage, "settings", {
      account: SIX_KEYS_ACCOUNT,
      provider,
      secret: makeKey(stage, slug),
    });
    expectSame(`the state of a live key of ${slug}`, live.state, KeyState.ACTIVE);
  }
  expectSame("the stored dead keys", await listKeys(stage, "omar"), []);
  expectSame("the number of stored live keys", (await listKeys(stage, SIX_KEYS_ACCOUNT)).length, PROVIDERS.length);
  stage.tell.step({
    who: "settings",
    asks: "the same at all six, for two other accounts",
    gets: "6 revoked refused, 6 live ACTIVE",
  });
}

/** Changes one character in the middle. */
function mistype(key: string): string {
  const at = Math.floor(key.length / 3);
  return `${key.slice(0, at)}${key[at] === "a" ? "b" : "a"}${key.slice(at + 1)}`;
}
