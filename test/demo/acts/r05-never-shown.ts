import { expectSame, expectThat } from "../expectation.ts";
import { holdsTrace, searchDirectory, tracesOf } from "../key-search.ts";
import { postJson } from "../post-json.ts";
import { ACCOUNT, AGENT, HOST, type Stage } from "../stage.ts";

const KEY_FIELDS = ["name", "provider", "source", "state", "stateReason", "stateUntilTime", "limits"]
  .concat(["version", "etag", "createTime", "verifyTime", "lastUsedTime"])
  .sort();

/** What is shown of a key holds nothing of it, and nothing of it lies in the clear in what the service keeps, logs or measures. */
export async function keysNeverShow(stage: Stage): Promise<void> {
  const got = await askJson(stage, "settings", "GetKey", { account: ACCOUNT, provider: "PROVIDER_OPENAI" });
  const shown = Object.keys(fieldOf(got, "key"));
  expectSame("fields of a key that are not known to be harmless", unknownFields(shown), []);
  stage.tell.step({ who: "settings", asks: "GetKey, as JSON", gets: shown.join(", ") });
  const listed = await askJson(stage, "auditor", "ListKeys", { account: ACCOUNT });
  const fields = Object.values(fieldOf(listed, "keys")).flatMap((key) => Object.keys(Object(key)));
  expectSame("fields of listed keys that are not known to be harmless", unknownFields(fields), []);
  stage.tell.step({ who: "auditor", asks: "ListKeys, as JSON", gets: "no prefix, no last four, no part of any key" });
  await refuseJsonRoute(stage);
  await searchEverywhere(stage);
}

/** Searches all that the service wrote and tells for every key that anybody typed so far. */
export async function searchEverywhere(stage: Stage): Promise<void> {
  const traces = tracesOf(stage.typedKeys);
  const { files, bytes, found } = searchDirectory(stage.service.dataDir, traces);
  expectSame("the files that hold a part of a key", found, []);
  expectThat(!holdsTrace(stage.service.output(), traces), "the service's output holds no part of a key");
  const metrics = await (await fetch(`http://localhost:${stage.service.opsPort}/metrics`)).text();
  expectThat(metrics.includes("plori_"), "the metrics were read");
  expectThat(!holdsTrace(metrics, traces), "the metrics hold no part of a key");
  stage.tell.step({
    who: "anyone",
    asks: `searches for all ${stage.typedKeys.size} keys typed so far`,
    gets: `not in ${files} files (${Math.round(bytes / 1024)} KiB), nor in the logs, nor in /metrics`,
  });
}

/** Even the host that may have the credential cannot get it as JSON, where it would become a string. */
async function refuseJsonRoute(stage: Stage): Promise<void> {
  const { status, body } = await postJson(stage, HOST, "plori.router.v1.RouterService/ResolveRoute", {
    account: ACCOUNT,
    agent: AGENT,
    model: "openai/gpt-5.5",
    callId: "as-json",
  });
  expectThat(status >= 400, `a route asked for as JSON is refused; it was answered with ${status}`);
  expectThat(!holdsTrace(body, tracesOf(stage.typedKeys)), "the refusal holds no part of a key");
  const { code, message } = Object(JSON.parse(body));
  expectSame("the code of the refusal", code, "invalid_argument");
  expectThat(String(message).includes("binary Protobuf only"), "the refusal says which codec to use");
  stage.tell.step({
    who: HOST,
    asks: "ResolveRoute, as JSON",
    gets: `refused, HTTP ${status}`,
    says: String(message),
  });
}

async function askJson(stage: Stage, caller: "settings" | "auditor", rpc: string, request: object): Promise<unknown> {
  const { status, body } = await postJson(stage, caller, `plori.keyvault.v1.KeyVaultService/${rpc}`, request);
  expectSame(`the HTTP status of ${rpc}`, status, 200);
  expectThat(!holdsTrace(body, tracesOf(stage.typedKeys)), `the answer of ${rpc} holds no part of a key`);
  for (const key of stage.typedKeys) {
    expectThat(!body.includes(key.slice(0, 6)), `the answer of ${rpc} does not tell how a key begins`);
  }
  return JSON.parse(body);
}

function fieldOf(answer: unknown, name: string): object {
  return Object(Object(answer)[name]);
}

function unknownFields(fields: readonly string[]): string[] {
  return fields.filter((field) => !KEY_FIELDS.includes(field));
}
