import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { README, type Recipe, readRecipes, theBlock } from "./recipes.ts";
import { type Ran, runRecipes } from "./run-recipes.ts";
import { findDifference } from "./shown-output.ts";

const RECIPES = readRecipes(README);
const ALL_MAX_MS = 150_000;

describe("the README's recipes, as printed, against the real service and the simulators", () => {
  const directory = temporaryDirectory();
  let simulators: ProviderSimulators;
  let service: ServiceProcess;
  let keys: ReadonlyMap<Provider, string>;
  let ran: ReadonlyMap<Recipe, Ran>;

  beforeAll(async () => {
    simulators = await startProviderSimulators();
    service = await startService({
      dataDir: join(directory.path, "data"),
      providerUrls: simulators.providerUrlsJson,
    });
    keys = mintKeys();
    const results = await runRecipes(
      RECIPES.map(({ command }) => onThisMachine(command)),
      directory.path,
      ALL_MAX_MS,
    );
    ran = new Map(RECIPES.map((recipe, index) => [recipe, results[index] ?? { exitCode: undefined, output: "" }]));
  }, ALL_MAX_MS + 30_000);

  afterAll(async () => {
    await service?.end();
    await simulators?.close();
    directory.remove();
  });

  /** What the first terminal prints, apart from the settings that the service has already. */
  function mintKeys(): ReadonlyMap<Provider, string> {
    const minted = new Map(PROVIDERS.map((provider) => [provider, simulators[provider].mintKey()]));
    const lines = [...minted].map(([provider, key]) => `export SIMULATED_${provider.toUpperCase()}_KEY='${key}'\n`);
    writeFileSync(join(directory.path, "simulators.env"), lines.join(""));
    return minted;
  }

  /** The reader's ports and directories become this run's; nothing else changes. */
  function onThisMachine(command: string): string {
    return command
      .replaceAll("/tmp/plori-", `${directory.path}/`)
      .replaceAll(":7443", `:${service.grpcPort}`)
      .replaceAll(":7444/", `:${service.connectPort}/`)
      .replaceAll(":7445/", `:${service.opsPort}/`)
      .replaceAll(".plori/", `${service.dataDir}/`);
  }

  for (const recipe of RECIPES) {
    const [firstLine] = recipe.command.split("\n");
    test(`line ${recipe.line} ${recipe.isRefused ? "is refused" : "works"}: ${firstLine}`, () => {
      const { exitCode, output } = ran.get(recipe) ?? { exitCode: undefined, output: "" };
      if (recipe.isRefused) expect(exitCode, output).toBeGreaterThan(0);
      else expect(exitCode, output).toBe(0);
      if (recipe.output !== undefined) expect(findDifference(recipe.output, output)).toBeUndefined();
    });
  }

  test("the credential of the resolved route is the key that was connected, in base64; no answer shows a key as it is", () => {
    const outputs = [...ran.values()].map(({ output }) => output).join("");
    const [, credential = ""] = /"credential": *"([^"]+)"/.exec(outputs) ?? [];
    expect(Buffer.from(credential, "base64").toString()).toBe(keys.get("openai"));
    for (const key of keys.values()) expect(outputs).not.toContain(key);
  });
});

test("the recipes walk through the whole API, on both doors", () => {
  const commands = RECIPES.map(({ command }) => command).join("\n");
  for (const rpc of [
    "GrantCredits",
    "GetBalance",
    "ListProviders",
    "ConnectKey",
    "VerifyKey",
    "BeginOpenRouterConnect",
    "CompleteOpenRouterConnect",
    "DeleteKey",
    "ListReleases",
    "IdentifySecret",
    "RotateAccountKey",
    "RewrapDataKeys",
    "VerifyVault",
    "ShredAccount",
    "ListAuditEvents",
    "VerifyAudit",
    "PlaceAgents",
    "ExplainRoute",
    "ResolveRoute",
    "ReportOutcome",
    "RecordUsage",
    "ListCharges",
    "SummarizeUsage",
    "PublishPrices",
    "PreviewCharge",
    "VerifyLedger",
    "Health/Check",
  ])
    expect(commands).toContain(rpc);
  expect(commands).toMatch(/7443[\s\S]*7444[\s\S]*7445|7444[\s\S]*7443[\s\S]*7445/);
});

test("the other two terminals run what exists: the simulators, and the service with their settings", () => {
  expect(theBlock(README, "sh terminal-1")).toBe("npm run --silent simulators | tee /tmp/plori-simulators.env");
  expect(theBlock(README, "sh terminal-2")).toBe(". /tmp/plori-simulators.env\nnpm start");
});
