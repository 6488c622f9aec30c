import { PROVIDERS } from "../../../src/base/provider.ts";
import { Provider } from "../../../src/gen/plori/type/v1/type_pb.ts";
import { expectRefused, expectSame, expectThat } from "../expectation.ts";
import { listKeys, PROVIDER_NUMBERS, pasteKey } from "../keys.ts";
import { ACCOUNT, type Stage } from "../stage.ts";

/** The six providers are offered; an Anthropic key is refused with advice, whatever it is pasted as. */
export async function listedProviders(stage: Stage): Promise<void> {
  const { providers } = await stage.as("settings").keyVault.listProviders({});
  expectSame(
    "the providers",
    providers.map(({ provider }) => provider),
    PROVIDERS.map((provider) => PROVIDER_NUMBERS[provider]),
  );
  for (const { displayName, covers, keyPageUrl } of providers) {
    expectThat(covers !== "", `${displayName} says what it covers`);
    expectThat(keyPageUrl.startsWith("https://"), `${displayName} says where keys are made`);
  }
  stage.tell.step({
    who: "settings",
    asks: "ListProviders",
    gets: providers.map(({ displayName }) => displayName).join(", "),
  });
  const secret = `sk-${"ant"}-api03-${"x7Qm".repeat(20)}`;
  const asked = stage.simulators.openai.requests.length;
  for (const provider of [Provider.OPENAI, Provider.ANTHROPIC]) {
    const refused = await expectRefused(
      "an Anthropic key",
      "INVALID_ARGUMENT ANTHROPIC_NOT_SUPPORTED",
      pasteKey(stage, "settings", { account: ACCOUNT, provider, secret }),
    );
    expectThat(/OpenRouter key/.test(refused.message), "the refusal advises to use an OpenRouter key");
    if (provider === Provider.ANTHROPIC) {
      stage.tell.step({
        who: "settings",
        asks: "ConnectKey: an Anthropic key",
        gets: refused.title,
        says: refused.message,
      });
    }
  }
  expectSame("the requests that OpenAI got with an Anthropic key", stage.simulators.openai.requests.length - asked, 0);
  expectSame("the stored keys", await listKeys(stage), []);
}
