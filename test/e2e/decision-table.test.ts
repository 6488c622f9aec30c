import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { Provider as ProviderNumber } from "../../src/gen/plori/type/v1/type_pb.ts";
import type { ProbeOutcome } from "../../src/providers/descriptor.ts";
import { CONDITIONS } from "../providers/conditions.ts";
import { DECISION_TABLE, type Row } from "../providers/decision-table.ts";
import type { Fault } from "../simulators/fault.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { refusedCall } from "../support/refused.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const NUMBERS = {
  openrouter: ProviderNumber.OPENROUTER,
  openai: ProviderNumber.OPENAI,
  deepseek: ProviderNumber.DEEPSEEK,
  groq: ProviderNumber.GROQ,
  xai: ProviderNumber.XAI,
  together: ProviderNumber.TOGETHER,
} as const satisfies Record<Provider, ProviderNumber>;

/** What ConnectKey does with a key that the probe found so: the state that it is stored in, or the refusal. */
const EXPECTED: Readonly<Record<ProbeOutcome, KeyState | readonly [Code, string]>> = {
  valid: KeyState.ACTIVE,
  valid_restricted: KeyState.ACTIVE,
  valid_no_credit: KeyState.EXHAUSTED,
  rate_limited: KeyState.RATE_LIMITED,
  blocked: [Code.InvalidArgument, "KEY_REJECTED"],
  wrong_kind: [Code.InvalidArgument, "KEY_REJECTED"],
  invalid: [Code.InvalidArgument, "KEY_REJECTED"],
  network_refused: [Code.Unavailable, "PROVIDER_UNREACHABLE"],
  unknown: [Code.Unavailable, "PROVIDER_UNREACHABLE"],
};

const directory = temporaryDirectory();
let simulators: ProviderSimulators;
let service: ServiceProcess;
/** Each row has an account of its own: an account has ten keys a minute checked. */
let accounts = 0;
const answeredTexts = new Set<string>();

beforeAll(async () => {
  simulators = await startProviderSimulators();
  service = await startService({
    dataDir: directory.path,
    providerUrls: simulators.providerUrlsJson,
    env: { PLORI_LOG_LEVEL: "debug" },
  });
});
afterEach(() => {
  for (const provider of PROVIDERS) simulators[provider].setFault(undefined);
});
afterAll(async () => {
  await service.end();
  await simulators.close();
  directory.remove();
});

/** Connects `secret` for a new account and checks what came of it: the key as it is stored, or the refusal, and that nothing is stored then. */
async function expectOutcome(provider: Provider, secret: string, outcome: ProbeOutcome): Promise<string> {
  const { keyVault } = service.as("settings");
  accounts += 1;
  const account = `row-${accounts}`;
  const connecting = keyVault.connectKey({ account, provider: NUMBERS[provider], secret });
  const expected = EXPECTED[outcome];
  if (typeof expected === "number") {
    const { key } = await connecting;
    expect(key?.state).toBe(expected);
    expect((await keyVault.listKeys({ account })).keys).toEqual([key]);
    return key?.stateReason ?? "";
  }
  const [code, reason] = expected;
  const refused = await refusedCall(connecting);
  expect(refused).toMatchObject({ code, reason, metadata: { provider, outcome } });
  expect((await keyVault.listKeys({ account })).keys).toEqual([]);
  return `${refused.message} ${Object.values(refused.metadata).join(" ")}`;
}

/** The row's answer, byte for byte as the table has it. */
function faultOf({ status, body }: Row): Fault {
  return typeof body === "string" ? { kind: "text", status, body } : { kind: "status", status, body };
}

/** The provider's own words in an answer: whatever has a space in it. */
function wordsOf(body: unknown): string[] {
  if (typeof body === "string") return body.includes(" ") ? [body] : [];
  return typeof body === "object" && body !== null ? Object.values(body).flatMap(wordsOf) : [];
}

describe.each(PROVIDERS)("%s, as ConnectKey judges it", (provider) => {
  test.each(DECISION_TABLE.filter((row) => row.provider === provider))("$when ($status) is $outcome", async (row) => {
    const key = simulators[provider].mintKey();
    simulators[provider].setFault(faultOf(row), "get");
    const told = await expectOutcome(provider, key, row.outcome);
    for (const words of wordsOf(row.body)) {
      answeredTexts.add(words);
      expect(told).not.toContain(words);
    }
  });

  test.each(CONDITIONS.filter(([whose]) => whose === provider))(
    "%s: a key that is %s there, answered as the provider does, is %s",
    async (_provider, condition, outcome) => {
      const key = simulators[provider].mintKey();
      simulators[provider].setCondition(key, condition);
      await expectOutcome(provider, key, outcome);
    },
  );

  test.each([
    { kind: "html", status: 200 },
    { kind: "reset" },
    { kind: "redirect", to: "http://127.0.0.1:1/" },
  ] as const)("trouble of its own ($kind) is never a bad key", async (fault) => {
    const key = simulators[provider].mintKey();
    simulators[provider].setFault(fault);
    await expectOutcome(provider, key, "unknown");
  });
});

test("a list of many megabytes is read no further than the bound, and the key is stored", async () => {
  simulators.together.setFault({ kind: "huge_list", bytes: 5_000_000 });
  await expectOutcome("together", simulators.together.mintKey(), "valid");
});

test("after all of it the log holds no word of any provider's", () => {
  expect(answeredTexts.size).toBeGreaterThan(20);
  for (const text of answeredTexts) expect(service.output()).not.toContain(text);
});
