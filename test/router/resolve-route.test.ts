import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError, type Reason, refuse } from "../../src/base/errors.ts";
import { createIdMinter } from "../../src/base/ids.ts";
import { LIMITS } from "../../src/base/limits.ts";
import { Secret } from "../../src/base/secret.ts";
import type { Caller } from "../../src/identity/roles.ts";
import { CATALOGUE } from "../../src/router/catalogue.ts";
import { DEFAULT_POLICY } from "../../src/router/decision.ts";
import { createKeyWatch } from "../../src/router/key-watch.ts";
import type {
  CredentialOpener,
  KeyDirectory,
  Placement,
  Release,
  Released,
  RoutableKey,
} from "../../src/router/ports.ts";
import { type ResolveRouteDeps, type ResolveRouteInput, resolveRoute } from "../../src/router/resolve-route.ts";
import { NO_MODEL_LISTS } from "../support/no-model-lists.ts";

const NOW_MS = 1_790_000_000_000;
const HOST: Caller = { spiffeId: "spiffe://dev.plori.internal/agent-host/host-1", role: "agent-host", name: "host-1" };
const PLACED: Placement = {
  account: "acct-1",
  agent: "agent-1",
  host: "host-1",
  generation: 1n,
  expireMs: NOW_MS + 3_600_000,
};
const CALL: ResolveRouteInput = {
  account: "acct-1",
  agent: "agent-1",
  model: "openai/gpt-5.5",
  callId: "call-1",
  estimate: { inputTokens: 0n, maxOutputTokens: 0n },
};

function routable(account: string, changes: Partial<RoutableKey> = {}): RoutableKey {
  const sealed = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) };
  return { account, keyId: "openai", provider: "openai", version: 3, state: "ACTIVE", sealed, ...changes };
}

/** A router over parts that write down what happens, in order. */
function openRouter(changes: Partial<ResolveRouteDeps> = {}) {
  const clock = manualClock(NOW_MS);
  const steps: string[] = [];
  const releases: Release[] = [];
  const denials: unknown[] = [];
  const opened: Secret[] = [];
  const accounts = new Map<string, readonly RoutableKey[]>([["acct-1", [routable("acct-1")]]]);
  const placements = new Map([["acct-1/agent-1", PLACED]]);
  let released: Released | Reason = { priceVersion: 7 };
  const give = (how: string): Secret => {
    steps.push(how);
    const secret = Secret.fromText("the-credential");
    opened.push(secret);
    return secret;
  };
  const deps: ResolveRouteDeps = {
    placements: {
      async find(account, agent) {
        steps.push("placement");
        return placements.get(`${account}/${agent}`);
      },
    },
    keys: {
      async keysOf(account) {
        steps.push(`keys ${account}`);
        return accounts.get(account) ?? [];
      },
    },
    modelLists: NO_MODEL_LISTS,
    opener: { openWarm: () => undefined, open: async () => give("open") },
    releaseLog: {
      async release(release) {
        steps.push("release");
        releases.push(release);
        if (typeof released === "string") throw refuse(released, "not released");
        return released;
      },
      denied: (denial) => denials.push(denial),
    },
    policyDirectory: {
      warmPolicyOf: () => DEFAULT_POLICY,
      policyOf: () => Promise.reject(new Error("must not be asked")),
    },
    resolveLimits: { takeHost() {}, takeAccount() {} },
    endpointOf: (provider) => ({
      baseUrl: `https://${provider}.test/v1`,
      credentialHeader: "authorization",
      credentialPrefix: "Bearer ",
      headers: { "x-extra": "1" },
    }),
    catalogue: CATALOGUE,
    keyWatch: createKeyWatch(),
    revocationNews: { mark: () => 0 },
    clock,
    mintId: createIdMinter(clock),
    ...changes,
  };
  return {
    steps,
    releases,
    denials,
    opened,
    accounts,
    placements,
    clock,
    give,
    answerReleases: (answer: Released | Reason) => {
      released = answer;
    },
    resolve: (input: Partial<ResolveRouteInput> = {}, caller: Caller = HOST) =>
      resolveRoute(deps, { ...CALL, ...input }, caller),
  };
}

async function refusal(attempt: Promise<unknown>): Promise<PloriError> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PloriError)) throw new Error(`expected a refusal, got ${inspect(error)}`);
  return error;
}

describe("a BYOK route", () => {
  test("is recorded before the credential leaves, and says everything that the call needs", async () => {
    const router = openRouter();
    const route = await router.resolve();
    expect(router.steps).toEqual(["placement", "keys acct-1", "open", "release"]);
    expect(route).toMatchObject({
      provider: "openai",
      baseUrl: "https://openai.test/v1",
      credentialHeader: "authorization",
      credentialPrefix: "Bearer ",
      headers: { "x-extra": "1" },
      upstreamModel: "gpt-5.5",
      payer: "BYOK",
      keyName: "accounts/acct-1/keys/openai",
      keyVersion: 3,
      maxOutputTokens: 0n,
      priceVersion: "priceVersions/7",
      reuseUntilMs: NOW_MS + LIMITS.byokReuseMs,
      reason: "NATIVE_KEY",
    });
    expect(route.hold).toBeUndefined();
    expect(route.credential.reveal().toString()).toBe("the-credential");
    expect(router.releases).toEqual([
      {
        routeId: route.routeId,
        timeMs: NOW_MS,
        caller: HOST.spiffeId,
        host: "host-1",
        account: "acct-1",
        agent: "agent-1",
        callId: "call-1",
        provider: "openai",
        model: "openai/gpt-5.5",
        upstreamModel: "gpt-5.5",
        canonicalModel: "openai/gpt-5.5",
        payer: "BYOK",
        keyAccount: "acct-1",
        keyId: "openai",
        keyVersion: 3,
        reuseUntilMs: NOW_MS + LIMITS.byokReuseMs,
        reason: "NATIVE_KEY",
      },
    ]);
  });

  test("is never reused beyond the placement that it rests on", async () => {
    const router = openRouter();
    router.placements.set("acct-1/agent-1", { ...PLACED, expireMs: NOW_MS + 1_000 });
    expect((await router.resolve()).reuseUntilMs).toBe(NOW_MS + 1_000);
  });

  test("opens without waiting when everything is warm", async () => {
    const router = openRouter({
      opener: {
        openWarm: () => Secret.fromText("warm"),
        open: () => Promise.reject(new Error("must not be asked")),
      },
    });
    expect((await router.resolve()).credential.reveal().toString()).toBe("warm");
  });

  test("has no price version while nothing is priced", async () => {
    const router = openRouter();
    router.answerReleases({ priceVersion: 0 });
    expect((await router.resolve()).priceVersion).toBe("");
  });
});

describe("a hosted route", () => {
  const hold = { holdId: "h1", amountNano: 5n, expireMs: NOW_MS + 900_000, maxOutputTokens: 4_000n };

  function openHosted() {
    const router = openRouter();
    router.accounts.set("acct-1", []);
    router.accounts.set("platform", [routable("platform", { version: 9 })]);
    router.answerReleases({ priceVersion: 7, hold });
    return router;
  }

  test("asks for plori's own keys, carries its hold, and serves one call", async () => {
    const router = openHosted();
    const route = await router.resolve();
    expect(router.steps).toEqual(["placement", "keys acct-1", "keys platform", "open", "release"]);
    expect(route).toMatchObject({
      payer: "HOSTED",
      keyName: "",
      keyVersion: 9,
      maxOutputTokens: 4_000n,
      reason: "HOSTED",
      hold: { name: "accounts/acct-1/holds/h1", amountNano: 5n, expireMs: NOW_MS + 900_000 },
    });
    expect(route.reuseUntilMs).toBeUndefined();
    expect(router.releases[0]).toMatchObject({ payer: "HOSTED", keyAccount: "platform", reuseUntilMs: NOW_MS });
  });

  test.each([
    [
      { inputTokens: 0n, maxOutputTokens: 0n },
      { inputTokens: 1_024n, maxOutputTokens: 128_000n, minOutputTokens: 256n },
    ],
    [
      { inputTokens: 5_000n, maxOutputTokens: 500n },
      { inputTokens: 5_000n, maxOutputTokens: 500n, minOutputTokens: 256n },
    ],
    [
      { inputTokens: 1n, maxOutputTokens: 10n },
      { inputTokens: 1_024n, maxOutputTokens: 10n, minOutputTokens: 10n },
    ],
    [{ inputTokens: 1n, maxOutputTokens: 10n ** 15n }, { maxOutputTokens: 128_000n }],
  ])("asks for a hold as large as the call may get: %o", async (estimate, expected) => {
    const router = openHosted();
    await router.resolve({ estimate });
    expect(router.releases[0]?.hold).toMatchObject(expected);
  });

  test("passes the policy's cap on, and says what made the output smaller", async () => {
    const policyDirectory = {
      warmPolicyOf: () => undefined,
      policyOf: async () => ({ ...DEFAULT_POLICY, maxHostedCallNano: 77n }),
    };
    const router = openRouter({ policyDirectory });
    router.accounts.set("acct-1", []);
    router.accounts.set("platform", [routable("platform")]);
    router.answerReleases({ priceVersion: 7, hold: { ...hold, outputLimit: "SPEND_CAP" } });
    expect(await router.resolve()).toMatchObject({ outputLimit: "SPEND_CAP" });
    expect(router.releases[0]?.hold).toMatchObject({ capNano: 77n });
    const free = openHosted();
    expect((await free.resolve()).outputLimit).toBeUndefined();
    expect(free.releases[0]?.hold).not.toHaveProperty("capNano");
  });

  test("without a hold is a fault of ours, and the credential is wiped", async () => {
    const router = openHosted();
    router.answerReleases({ priceVersion: 7 });
    await expect(router.resolve()).rejects.toThrow("hold");
    expect(() => router.opened[0]?.reveal()).toThrow("wiped");
  });
});

describe("placement", () => {
  const elsewhere: Caller = {
    spiffeId: "spiffe://dev.plori.internal/agent-host/host-2",
    role: "agent-host",
    name: "host-2",
  };

  test("every cause of a denial looks the same, comes before any key is looked at, and is put on record", async () => {
    const causes: [Partial<ResolveRouteInput>, Caller, number][] = [
      [{ account: "acct-9" }, HOST, 0],
      [{ agent: "agent-9" }, HOST, 0],
      [{}, elsewhere, 0],
      [{}, HOST, 3_600_000],
      [{}, { ...HOST, role: "admin" }, 0],
      [{}, { ...HOST, role: "settings" }, 0],
      [{ model: "no/such-model" }, elsewhere, 0],
      [{ pin: "groq" }, elsewhere, 0],
    ];
    const seen = new Set<string>();
    for (const [input, caller, laterMs] of causes) {
      const router = openRouter();
      router.clock.advance(laterMs);
      const error = await refusal(router.resolve(input, caller));
      seen.add(JSON.stringify(error.refusal));
      expect(error.reason).toBe("AGENT_NOT_PLACED");
      expect(router.steps.filter((step) => step !== "placement")).toEqual([]);
      expect(router.denials).toHaveLength(1);
      expect(router.denials[0]).toMatchObject({ caller: caller.spiffeId, reason: "AGENT_NOT_PLACED" });
    }
    expect(seen.size).toBe(1);
  });

  test("another host's call id is denied in the same words", async () => {
    const router = openRouter();
    router.answerReleases("AGENT_NOT_PLACED");
    const error = await refusal(router.resolve());
    const plain = await refusal(openRouter().resolve({}, elsewhere));
    expect(error.refusal).toEqual(plain.refusal);
    expect(() => router.opened[0]?.reveal()).toThrow("wiped");
  });
});

describe("rate limits", () => {
  /** Limits that write down what was taken, and refuse when told. */
  function openLimited(refusing?: "host" | "account") {
    const taken: string[] = [];
    const take = (scope: "host" | "account", name: string) => {
      taken.push(name);
      if (refusing === scope) throw refuse("RATE_LIMITED", "too fast", { scope });
    };
    const resolveLimits = {
      takeHost: (host: string) => take("host", host),
      takeAccount: (account: string, host: string) => take("account", `${account} for ${host}`),
    };
    return { taken, router: openRouter({ resolveLimits }) };
  }

  test("the host's is taken before anything is looked at, the account's once the agent is known to run there", async () => {
    const { taken, router } = openLimited();
    await router.resolve();
    expect(taken).toEqual(["host-1", "acct-1 for host-1"]);
    const full = openLimited("host");
    expect(await refusal(full.router.resolve({ account: "not an id" }))).toMatchObject({ reason: "RATE_LIMITED" });
    expect(full.router.steps).toEqual([]);
    expect(full.router.denials).toEqual([]);
  });

  test("a call that is denied or malformed costs the host's token, and never the account's", async () => {
    const { taken, router } = openLimited("account");
    expect(await refusal(router.resolve({ agent: "agent-9" }))).toMatchObject({ reason: "AGENT_NOT_PLACED" });
    expect(await refusal(router.resolve({ model: "" }))).toMatchObject({ reason: "FIELDS_INVALID" });
    expect(taken).toEqual(["host-1", "host-1"]);
    expect(await refusal(router.resolve())).toMatchObject({ reason: "RATE_LIMITED" });
    expect(router.opened).toEqual([]);
  });
});

test("a KMS that is away refuses under every policy: our fault is never the user's bill", async () => {
  for (const onKeyFailure of ["STOP", "OTHER_KEYS", "CREDITS"] as const) {
    const policy = { ...DEFAULT_POLICY, onKeyFailure };
    const router = openRouter({
      policyDirectory: { warmPolicyOf: () => policy, policyOf: async () => policy },
      opener: { openWarm: () => undefined, open: () => Promise.reject(refuse("KMS_UNAVAILABLE", "away")) },
    });
    router.accounts.set("platform", [routable("platform")]);
    expect(await refusal(router.resolve())).toMatchObject({ reason: "KMS_UNAVAILABLE" });
    expect(router.releases).toEqual([]);
  }
});

describe("when something fails", () => {
  test.each(["STORAGE_FULL", "CREDITS_EXHAUSTED", "CALL_SETTLED", "DRAINING"] as const)(
    "a release that ends in %s gives no credential, and wipes it",
    async (reason) => {
      const router = openRouter();
      router.answerReleases(reason);
      expect((await refusal(router.resolve())).reason).toBe(reason);
      expect(router.opened).toHaveLength(1);
      expect(() => router.opened[0]?.reveal()).toThrow("wiped");
    },
  );

  test.each(["KMS_UNAVAILABLE", "KEY_UNREADABLE", "RECORD_CORRUPT"] as const)(
    "a key that does not open (%s) refuses: neither another key nor credits are tried, and nothing is released",
    async (reason) => {
      const opener: CredentialOpener = { openWarm: () => undefined, open: () => Promise.reject(refuse(reason, "no")) };
      const router = openRouter({ opener });
      router.accounts.set("acct-1", [
        routable("acct-1"),
        routable("acct-1", { keyId: "openrouter", provider: "openrouter" }),
      ]);
      router.accounts.set("platform", [routable("platform")]);
      expect((await refusal(router.resolve())).reason).toBe(reason);
      expect(router.steps).toEqual(["placement", "keys acct-1"]);
    },
  );

  test("a refused decision opens nothing, and tells what to do", async () => {
    const router = openRouter();
    router.accounts.set("acct-1", [routable("acct-1", { state: "RATE_LIMITED", stateUntilMs: NOW_MS + 30_000 })]);
    const limited = await refusal(router.resolve());
    expect(limited).toMatchObject({ reason: "KEY_RATE_LIMITED", retryAfterMs: 30_000 });
    router.accounts.set("acct-1", []);
    const unknown = await refusal(router.resolve({ model: "openai/gtp-5.5" }));
    expect(unknown.reason).toBe("MODEL_UNKNOWN");
    expect(unknown.refusal.metadata?.["suggestions"]?.split(",")).toContain("openai/gpt-5.5");
    const unhosted = await refusal(router.resolve());
    expect(unhosted.reason).toBe("MODEL_UNKNOWN");
    expect(unhosted.message).toContain("an OpenAI key or an OpenRouter key");
    expect((await refusal(router.resolve({ pin: "groq" }))).reason).toBe("PIN_WITHOUT_KEY");
    expect(router.opened).toEqual([]);
    expect(router.releases).toEqual([]);
  });

  test("every wrong field is named at once, before anything is looked up", async () => {
    const router = openRouter();
    const error = await refusal(
      router.resolve({
        account: "a/b",
        agent: "",
        model: "openai::",
        callId: "has space",
        estimate: { inputTokens: -1n, maxOutputTokens: 10n ** 16n },
      }),
    );
    expect(error.refusal.violations?.map(({ field }) => field)).toEqual([
      "account",
      "agent",
      "model",
      "call_id",
      "estimate.input_tokens",
      "estimate.max_output_tokens",
    ]);
    expect(router.steps).toEqual([]);
    const contradiction = await refusal(router.resolve({ model: "openai::gpt-5.5", pin: "groq" }));
    expect(contradiction.refusal.violations?.map(({ field }) => field)).toEqual(["provider"]);
  });
});

test("a key directory that fails lets nothing out", async () => {
  const keys: KeyDirectory = { keysOf: () => Promise.reject(refuse("DRAINING", "shutting down")) };
  const router = openRouter({ keys });
  expect((await refusal(router.resolve())).reason).toBe("DRAINING");
  expect(router.opened).toEqual([]);
});

describe("a key whose account was empty", () => {
  function openExhausted() {
    const router = openRouter();
    router.accounts.set("acct-1", [routable("acct-1", { state: "EXHAUSTED", stateUntilMs: NOW_MS })]);
    return router;
  }

  test("serves one call at a time once its wait is over, and that one is no lease", async () => {
    const router = openExhausted();
    const attempts = await Promise.allSettled(
      Array.from({ length: 20 }, (_none, index) => router.resolve({ callId: `call-${index}` })),
    );
    const routes = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
    expect(routes).toHaveLength(1);
    expect(routes[0]?.reuseUntilMs).toBeUndefined();
    const reasons = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason.reason] : []));
    expect(new Set(reasons)).toEqual(new Set(["KEY_EXHAUSTED"]));
    // The same call again is the same trial.
    await router.resolve({ callId: "call-0" });
  });

  test("serves the next call when the one before could not be released, or took too long", async () => {
    const router = openExhausted();
    router.answerReleases("STORAGE_FULL");
    expect((await refusal(router.resolve({ callId: "call-1" }))).reason).toBe("STORAGE_FULL");
    router.answerReleases({ priceVersion: 0 });
    await router.resolve({ callId: "call-2" });
    expect((await refusal(router.resolve({ callId: "call-3" }))).reason).toBe("KEY_EXHAUSTED");
    router.clock.advance(120_000);
    await router.resolve({ callId: "call-3" });
  });

  test("serves nobody before its wait is over", async () => {
    const router = openExhausted();
    router.accounts.set("acct-1", [routable("acct-1", { state: "EXHAUSTED", stateUntilMs: NOW_MS + 1 })]);
    expect((await refusal(router.resolve())).reason).toBe("KEY_EXHAUSTED");
  });
});

test("plori's own keys go only to the hosts that they are bound to", async () => {
  const router = openRouter();
  router.accounts.set("acct-1", []);
  router.answerReleases({
    priceVersion: 7,
    hold: { holdId: "h1", amountNano: 5n, expireMs: NOW_MS, maxOutputTokens: 1n },
  });
  router.accounts.set("platform", [
    routable("platform", { keyId: "fleet-1", version: 1, hosts: ["host-1"] }),
    routable("platform", { keyId: "fleet-2", version: 2, hosts: ["host-2"] }),
  ]);
  expect((await router.resolve()).keyVersion).toBe(1);
  expect(router.releases[0]).toMatchObject({ keyId: "fleet-1" });
});

test("a route that was decided before a revocation for its host and leaves after it is no lease, but serves its call", async () => {
  let mark = 0;
  const router = openRouter({
    revocationNews: { mark: (host) => (host === HOST.name ? mark : -1) },
    opener: {
      openWarm: () => undefined,
      open: async () => {
        // The revocation is committed between the decision and the release.
        mark += 1;
        return Secret.fromText("the-credential");
      },
    },
  });
  const route = await router.resolve();
  expect(route.payer).toBe("BYOK");
  expect(route.reuseUntilMs).toBeUndefined();
});

test("the lists of the account's own keys decide a name that the catalogue does not know, and in memory they cost no waiting", async () => {
  const groq = routable("acct-1", { keyId: "groq", provider: "groq" });
  const ids = new Map([["groq", new Set(["Acme/Tuned-1"])] as const]);
  const asked: string[] = [];
  const modelLists: ResolveRouteDeps["modelLists"] = {
    warm: (account) => (account === "acct-1" ? ids : undefined),
    async of(account) {
      asked.push(account);
      return new Map();
    },
  };
  const router = openRouter({ modelLists });
  router.accounts.set("acct-1", [groq]);
  expect(await router.resolve({ model: "Acme/Tuned-1" })).toMatchObject({
    provider: "groq",
    upstreamModel: "Acme/Tuned-1",
    reason: "NATIVE_KEY",
  });
  await expect(router.resolve({ model: "acme/tuned-1" })).rejects.toMatchObject({ reason: "MODEL_UNKNOWN" });
  expect(asked).toEqual([]);
});

test("nobody looks for the lists of an account without keys", async () => {
  const modelLists = {
    warm: () => undefined,
    of: () => Promise.reject(new Error("nobody should ask")),
  };
  const router = openRouter({ modelLists });
  router.accounts.set("acct-1", []);
  await expect(router.resolve({ model: "Acme/Tuned-1" })).rejects.toMatchObject({ reason: "MODEL_UNKNOWN" });
});
