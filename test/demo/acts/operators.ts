import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { PROVIDERS } from "../../../src/base/provider.ts";
import { expectSame, expectThat, present } from "../expectation.ts";
import { startResolving } from "../resolving.ts";
import { AGENT, HOST, KMS_ALIAS, type Stage } from "../stage.ts";
import { ONE_CLICK_ACCOUNT } from "./r03-one-click.ts";
import { SIX_KEYS_ACCOUNT } from "./r04-paste.ts";

/** How the story calls what operators may do. */
export const OPERATORS_TITLE = "Operators renew every key beneath all of this, and no agent notices";

const ROUTES_BETWEEN = 10;
const PLACED_MS = 3_600_000;
const ACCOUNTS = [ONE_CLICK_ACCOUNT, SIX_KEYS_ACCOUNT] as const;

/**
 * While a host resolves without a pause, the data keys move to another KMS key, the accounts' data keys are rotated and the old KMS key is taken away. No
 * route may fail, and in the end every sealed key must open.
 */
export async function operatorsRenewKeys(stage: Stage): Promise<void> {
  const { kms, tell } = stage;
  const { keyVault } = stage.as("admin");
  const [oldArn = "", newArn = ""] = kms.control.keyArns();
  await placeAgents(stage);
  const load = startResolving(stage, ACCOUNTS);
  try {
    await load.more(ROUTES_BETWEEN);
    tell.step({ who: HOST, asks: `asks for routes for ${ACCOUNTS.join(" and ")} on and on`, gets: "and gets them" });
    kms.control.pointAlias(KMS_ALIAS, newArn);
    tell.step({ who: "KMS", asks: "the alias of the active KMS key names another key", gets: "done" });
    await rewrap(stage, newArn);
    await load.more(ROUTES_BETWEEN);
    await rotate(stage);
    await load.more(ROUTES_BETWEEN);
    kms.control.setState(oldArn, "Disabled");
    await keyVault.evictDataKeys({});
    tell.step({ who: "KMS", asks: "the former KMS key is disabled", gets: "done" });
    await load.more(ROUTES_BETWEEN);
  } finally {
    await load.stop();
  }
  const gets = `${load.routes()} routes, none refused, though the data key was evicted before each`;
  tell.step({ who: HOST, asks: "meanwhile", gets });
  await verify(stage);
}

/** Lena's agent stays on the host, and Rosa's comes to it. */
async function placeAgents({ as }: Stage): Promise<void> {
  const expireTime = timestampFromMs(Date.now() + PLACED_MS);
  const placements = ACCOUNTS.map((account) => ({ account, agent: AGENT, host: HOST, generation: 1n, expireTime }));
  await as("scheduler").router.placeAgents({ placements });
}

async function rewrap(stage: Stage, newArn: string): Promise<void> {
  let last: { kmsKeyArn: string; rewrappedCount: bigint; failedCount: bigint; remainingCount: bigint } | undefined;
  for await (const progress of stage.as("admin").keyVault.rewrapDataKeys({})) {
    last = progress;
  }
  const { kmsKeyArn, rewrappedCount, failedCount, remainingCount } = present(last, "the last progress");
  expectSame("the KMS key that wraps", kmsKeyArn, newArn);
  expectSame("data keys that failed and that remain", [failedCount, remainingCount], [0n, 0n]);
  expectThat(rewrappedCount > BigInt(ACCOUNTS.length), "every account's data key was wrapped anew");
  stage.tell.step({
    who: "admin",
    asks: "RewrapDataKeys",
    gets: `${rewrappedCount} data keys wrapped by the other KMS key, ${failedCount} failed, ${remainingCount} left`,
  });
}

async function rotate(stage: Stage): Promise<void> {
  const { keyVault } = stage.as("admin");
  const counts = new Map<string, bigint>([
    [ONE_CLICK_ACCOUNT, 1n],
    [SIX_KEYS_ACCOUNT, BigInt(PROVIDERS.length)],
  ]);
  for (const [account, count] of counts) {
    const { dataKeyVersion, recordCount } = await keyVault.rotateAccountKey({ account });
    expectSame(`${account}'s data key, and what is sealed anew`, [dataKeyVersion, recordCount], [2n, count]);
  }
  const sealed = [...counts].map(([account, count]) => `${count} of ${account}`).join(" and ");
  stage.tell.step({ who: "admin", asks: "RotateAccountKey, for both", gets: `keys sealed anew: ${sealed}` });
}

async function verify(stage: Stage): Promise<void> {
  let last: { checkedCount: bigint; faultCount: bigint; done: boolean } | undefined;
  for await (const progress of stage.as("admin").keyVault.verifyVault({})) {
    last = progress;
  }
  const { checkedCount, faultCount, done } = present(last, "the last progress");
  expectSame("the vault's faults", [faultCount, done], [0n, true]);
  stage.tell.step({
    who: "admin",
    asks: "VerifyVault",
    gets: `${checkedCount} sealed keys opened, ${faultCount} faults`,
  });
}
