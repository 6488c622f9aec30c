import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Key, KeyState } from "../../src/gen/plori/keyvault/v1/keyvault_pb.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { readRows } from "./database.ts";
import { given, type House, openHouse, PROVIDER_NUMBER, type SimulatedProvider } from "./house.ts";
import { type Refused, refused } from "./refusal.ts";

const PROVIDERS = Object.keys(PROVIDER_NUMBER) as SimulatedProvider[];

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());

interface Connect {
  readonly account: string;
  readonly provider: SimulatedProvider;
  readonly secret: string;
  readonly allowUnverified?: boolean;
  readonly requestId?: string;
  readonly actor?: string;
}

async function connect({ provider, ...rest }: Connect): Promise<Key> {
  const { key } = await house.as("settings").keyVault.connectKey({ ...rest, provider: PROVIDER_NUMBER[provider] });
  return given(key);
}

function keysOf(account: string): Promise<readonly Key[]> {
  return house
    .as("auditor", "connect")
    .keyVault.listKeys({ account })
    .then(({ keys }) => keys);
}

/** Expects a refusal after which the account has no key, and no row of the database tells of one. */
async function refusedWithoutTrace(wanted: Connect): Promise<Refused> {
  const refusal = await refused(connect(wanted));
  expect(await keysOf(wanted.account)).toEqual([]);
  for (const table of ["provider_key", "key_version"]) {
    expect(readRows(house.service.dataDir, `SELECT * FROM ${table} WHERE account = ?`, wanted.account)).toEqual([]);
  }
  const connected = "SELECT * FROM audit WHERE account = ? AND kind = 'key.connected'";
  expect(readRows(house.service.dataDir, connected, wanted.account)).toEqual([]);
  return refusal;
}

/** A key that the provider never issued, but that differs from one of its own by one character. */
function mistyped(secret: string): string {
  const last = secret.at(-1);
  return `${secret.slice(0, -1)}${last === "a" ? "b" : "a"}`;
}

const requestsTo = (provider: SimulatedProvider): number => house.simulators[provider].requests.length;

describe.each(PROVIDERS)("a key of %s", (provider) => {
  test("that works is stored ACTIVE and is usable at once", async () => {
    const account = `live-${provider}`;
    const key = await connect({ account, provider, secret: `  ${house.simulators[provider].mintKey()}\n` });
    expect(key).toMatchObject({
      name: `accounts/${account}/keys/${provider}`,
      provider: PROVIDER_NUMBER[provider],
      state: KeyState.ACTIVE,
      version: 1n,
    });
    expect(key.verifyTime).toBeDefined();
    expect(await keysOf(account)).toEqual([key]);
  });

  test("that was revoked is refused and leaves no trace", async () => {
    const simulator = house.simulators[provider];
    const secret = simulator.mintKey();
    simulator.revoke(secret);
    const refusal = await refusedWithoutTrace({ account: `dead-${provider}`, provider, secret });
    expect(refusal).toMatchObject({ code: "InvalidArgument", reason: "KEY_REJECTED", retryMs: undefined });
  });

  test("with a typing mistake is refused and leaves no trace", async () => {
    const secret = mistyped(house.simulators[provider].mintKey());
    const refusal = await refusedWithoutTrace({ account: `typo-${provider}`, provider, secret });
    expect(refusal).toMatchObject({ code: "InvalidArgument", reason: "KEY_REJECTED" });
  });

  test("is refused with the advice to retry while the provider is down, and leaves no trace", async () => {
    const simulator = house.simulators[provider];
    const secret = simulator.mintKey();
    await simulator.goDown();
    try {
      const refusal = await refusedWithoutTrace({ account: `down-${provider}`, provider, secret });
      expect(refusal).toMatchObject({ code: "Unavailable", reason: "PROVIDER_UNREACHABLE", retryMs: 5_000 });
    } finally {
      await simulator.comeBack();
    }
  });

  test("is stored RATE_LIMITED, with the provider's own time, while the provider limits its rate", async () => {
    const simulator = house.simulators[provider];
    const secret = simulator.mintKey();
    simulator.rateLimit(secret, 120);
    const beforeMs = Date.now();
    const key = await connect({ account: `limited-${provider}`, provider, secret });
    expect(key.state).toBe(KeyState.RATE_LIMITED);
    const untilMs = Number(given(key.stateUntilTime).seconds) * 1000;
    expect(untilMs).toBeGreaterThan(beforeMs + 118_000);
    expect(untilMs).toBeLessThan(Date.now() + 121_000);
  });
});

describe.each(["openrouter", "openai", "deepseek", "xai", "together"] as const)(
  "a key of %s without credit",
  (provider) => {
    test("is stored EXHAUSTED: it is the right key", async () => {
      const simulator = house.simulators[provider];
      const secret = simulator.mintKey();
      simulator.setNoCredit(secret, { seenByGet: true });
      const key = await connect({ account: `empty-${provider}`, provider, secret });
      expect(key).toMatchObject({ state: KeyState.EXHAUSTED });
      expect(key.stateReason).not.toBe("");
      expect(key.stateUntilTime).toBeDefined();
    });
  },
);

describe.each(["openai", "groq", "xai"] as const)("a restricted key of %s", (provider) => {
  test("is stored ACTIVE: it may call models although it may not list them", async () => {
    const simulator = house.simulators[provider];
    const secret = simulator.mintKey();
    simulator.restrict(secret);
    expect(await connect({ account: `restricted-${provider}`, provider, secret })).toMatchObject({
      state: KeyState.ACTIVE,
    });
  });
});

describe("a key that cannot be right", () => {
  test("a management key of OpenRouter is refused: it cannot call models", async () => {
    const secret = house.simulators.openrouter.mintKey({ condition: "wrong_kind" });
    const refusal = await refusedWithoutTrace({ account: "kind-openrouter", provider: "openrouter", secret });
    expect(refusal).toMatchObject({ reason: "KEY_REJECTED", metadata: { outcome: "wrong_kind" } });
  });

  test("a key of another provider is refused before any provider sees it, saying whose it looks like", async () => {
    const secret = house.simulators.groq.mintKey();
    const seen = PROVIDERS.map(requestsTo);
    const refusal = await refusedWithoutTrace({ account: "other", provider: "openai", secret });
    expect(refusal).toMatchObject({
      code: "InvalidArgument",
      reason: "KEY_SHAPE_MISMATCH",
      metadata: { provider: "openai", looks_like: "groq" },
    });
    expect(PROVIDERS.map(requestsTo)).toEqual(seen);
  });

  test.each([
    ["under Anthropic's own name", Provider.ANTHROPIC],
    ["pasted as an OpenAI key", Provider.OPENAI],
    ["pasted as an OpenRouter key", Provider.OPENROUTER],
  ] as const)("an Anthropic key %s is refused with the advice to use OpenRouter", async (_how, provider) => {
    const secret = `sk-${"ant"}-api03-${"aB3_".repeat(23)}AA`;
    const refusal = await refused(house.as("settings").keyVault.connectKey({ account: "claude", provider, secret }));
    expect(refusal).toMatchObject({ code: "InvalidArgument", reason: "ANTHROPIC_NOT_SUPPORTED" });
    expect(refusal.message).toContain("OpenRouter");
    expect(await keysOf("claude")).toEqual([]);
  });

  test("an eleventh key within a minute is not shown to the provider: nobody tries stolen keys through us", async () => {
    const account = "guesser";
    const guess = () =>
      refused(connect({ account, provider: "groq", secret: house.simulators.groq.mintKey().slice(0, -1) }));
    for (let tries = 0; tries < 10; tries += 1) expect(await guess()).toMatchObject({ reason: "KEY_REJECTED" });
    const seen = requestsTo("groq");
    const refusal = await guess();
    expect(refusal).toMatchObject({ code: "ResourceExhausted", reason: "RATE_LIMITED" });
    expect(refusal.retryMs).toBeGreaterThan(0);
    expect(requestsTo("groq")).toBe(seen);
  });
});

describe("while the provider gives no answer", () => {
  test.each([
    ["an error of its own", { kind: "status", status: 500 }],
    ["a captive portal's page", { kind: "html", status: 200 }],
    ["a redirect", { kind: "redirect", to: "http://127.0.0.1:9/" }],
    ["a cut connection", { kind: "reset" }],
  ] as const)("%s is no verdict on the key: UNAVAILABLE, and nothing is stored", async (what, fault) => {
    const simulator = house.simulators.together;
    simulator.setFault(fault);
    try {
      const account = what.replaceAll(/\W/g, "-");
      expect(await refusedWithoutTrace({ account, provider: "together", secret: simulator.mintKey() })).toMatchObject({
        code: "Unavailable",
        reason: "PROVIDER_UNREACHABLE",
      });
    } finally {
      simulator.setFault(undefined);
    }
  });

  test("allow_unverified stores the key UNVERIFIED, and it serves", async () => {
    const simulator = house.simulators.xai;
    const secret = simulator.mintKey();
    await simulator.goDown();
    try {
      const key = await connect({ account: "blind", provider: "xai", secret, allowUnverified: true });
      expect(key).toMatchObject({ state: KeyState.UNVERIFIED });
      expect(key.verifyTime).toBeUndefined();
    } finally {
      await simulator.comeBack();
    }
    await house.place("blind", "agent");
    const route = await house.resolve({ account: "blind", model: "x-ai/grok-4.3", callId: "c1" });
    expect(Buffer.from(route.credential).toString()).toBe(secret);
  });

  test("allow_unverified never replaces a key that serves", async () => {
    const simulator = house.simulators.xai;
    const first = await house.connectOwn("careful", "xai");
    await house.place("careful", "agent");
    await simulator.goDown();
    try {
      const wanted = {
        account: "careful",
        provider: "xai",
        secret: simulator.mintKey(),
        allowUnverified: true,
      } as const;
      expect(await refused(connect(wanted))).toMatchObject({ reason: "PROVIDER_UNREACHABLE" });
      const route = await house.resolve({ account: "careful", model: "x-ai/grok-4.3", callId: "c1" });
      expect(Buffer.from(route.credential).toString()).toBe(first);
    } finally {
      await simulator.comeBack();
    }
  });
});

describe("replacing and removing", () => {
  test("the older key serves until a newer one is stored, and a newer one that fails changes nothing", async () => {
    const account = "replacer";
    const simulator = house.simulators.openai;
    const first = await house.connectOwn(account, "openai");
    await house.place(account, "agent");
    const serving = async (callId: string): Promise<string> => {
      const route = await house.resolve({ account, model: "openai/gpt-5.5", callId });
      return Buffer.from(route.credential).toString();
    };
    const before = await keysOf(account);
    const dead = simulator.mintKey();
    simulator.revoke(dead);
    expect(await refused(connect({ account, provider: "openai", secret: dead }))).toMatchObject({
      reason: "KEY_REJECTED",
    });
    expect((await keysOf(account)).map(({ version, etag, state }) => ({ version, etag, state }))).toEqual(
      before.map(({ version, etag, state }) => ({ version, etag, state })),
    );
    expect(await serving("c1")).toBe(first);
    const second = await house.connectOwn(account, "openai");
    expect(await serving("c2")).toBe(second);
    expect(await keysOf(account)).toMatchObject([{ version: 2n }]);
    // The older one's sealed bytes are gone: one row a key.
    expect(readRows(house.service.dataDir, "SELECT version FROM provider_key WHERE account = ?", account)).toHaveLength(
      1,
    );
  });

  test("a repeated request id gives the first answer and asks the provider nothing; another payload is refused by its fields' names", async () => {
    const wanted = {
      account: "repeater",
      provider: "deepseek",
      secret: house.simulators.deepseek.mintKey(),
      requestId: randomUUID(),
      actor: "maya@example",
    } as const;
    const first = await connect(wanted);
    const seen = requestsTo("deepseek");
    // Even a key that has died meanwhile: what was answered stays answered.
    house.simulators.deepseek.revoke(wanted.secret);
    expect(await connect(wanted)).toEqual(first);
    expect(requestsTo("deepseek")).toBe(seen);
    const other = { ...wanted, secret: house.simulators.deepseek.mintKey(), allowUnverified: true };
    expect(await refused(connect(other))).toMatchObject({
      code: "AlreadyExists",
      reason: "REQUEST_ID_CONFLICT",
      metadata: { differing_fields: "allow_unverified,secret" },
    });
    expect(await keysOf("repeater")).toHaveLength(1);
  });

  test("removing with an etag that was overtaken is ABORTED; with the right one the sealed bytes are gone and a later key has a new version", async () => {
    const account = "remover";
    const { keyVault } = house.as("settings");
    await house.connectOwn(account, "groq");
    const stale = given((await keysOf(account))[0]).etag;
    await house.connectOwn(account, "groq");
    const provider = Provider.GROQ;
    expect(await refused(keyVault.deleteKey({ account, provider, etag: stale }))).toMatchObject({
      code: "Aborted",
      reason: "ETAG_MISMATCH",
    });
    const { etag } = given((await keysOf(account))[0]);
    expect((await keyVault.deleteKey({ account, provider, etag, actor: "maya" })).key?.version).toBe(2n);
    expect(await keysOf(account)).toEqual([]);
    expect(readRows(house.service.dataDir, "SELECT * FROM provider_key WHERE account = ?", account)).toEqual([]);
    expect(await refused(keyVault.deleteKey({ account, provider }))).toMatchObject({
      code: "NotFound",
      reason: "KEY_NOT_FOUND",
    });
    await house.connectOwn(account, "groq");
    expect(await keysOf(account)).toMatchObject([{ version: 3n }]);
  });

  test("every change of a key is in the audit with the caller and the actor behind it", async () => {
    const account = "watched";
    const provider = Provider.TOGETHER;
    const { keyVault } = house.as("settings");
    await keyVault.connectKey({ account, provider, secret: house.simulators.together.mintKey(), actor: "maya" });
    await keyVault.deleteKey({ account, provider, actor: "support/7" });
    const sql = "SELECT kind, caller, actor, subject FROM audit WHERE account = ? AND kind LIKE 'key.%' ORDER BY seq";
    const common = { caller: "spiffe://dev.plori.internal/settings/dev", subject: `accounts/${account}/keys/together` };
    expect(readRows(house.service.dataDir, sql, account)).toEqual([
      { kind: "key.connected", actor: "maya", ...common },
      { kind: "key.deleted", actor: "support/7", ...common },
    ]);
  });
});
