import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { PloriError, refuse } from "../../src/base/errors.ts";
import type { Secret } from "../../src/base/secret.ts";
import type { Caller } from "../../src/identity/roles.ts";
import type { ConnectKeyInput } from "../../src/keyvault/check-connect.ts";
import { type ConnectKeyDeps, connectKey } from "../../src/keyvault/connect-key.ts";
import { createCredentialOpener } from "../../src/keyvault/open-credential.ts";
import type { KeyState } from "../../src/keyvault/ports.ts";
import { createProbeBudget } from "../../src/keyvault/probe-budget.ts";
import type { Verdict } from "../../src/providers/verdict.ts";
import { openTestSealer, START_MS } from "../seal/open-test-sealer.ts";
import { createMemoryKeyStore } from "../support/memory-key-store.ts";

const SETTINGS: Caller = { spiffeId: "spiffe://dev.plori.internal/settings/dev", role: "settings", name: "dev" };
const ADMIN: Caller = { spiffeId: "spiffe://dev.plori.internal/admin/dev", role: "admin", name: "dev" };
const UUID = "0190A3F0-0000-7000-8000-000000000009";

/** A key of OpenAI's shape, new each time; no such text stands in this file. */
function openAiKey(): string {
  return ["sk", "proj", `${randomBytes(20).toString("hex")}T3Blbk${"FJ"}${randomBytes(20).toString("hex")}`].join("-");
}

function openVault(changes: Partial<ConnectKeyDeps> = {}) {
  const { sealer, clock, kms } = openTestSealer();
  const memory = createMemoryKeyStore();
  const probed: Secret[] = [];
  let verdict: Verdict = { outcome: "valid", reason: "OpenAI accepts the key." };
  const deps: ConnectKeyDeps = {
    keys: memory.store,
    sealer,
    clock,
    probeBudget: createProbeBudget(clock),
    prober: {
      async probe(_provider, secret) {
        probed.push(secret);
        return verdict;
      },
    },
    ...changes,
  };
  const secret = openAiKey();
  return {
    ...memory,
    deps,
    clock,
    kms,
    probed,
    secret,
    sealer,
    judge: (next: Verdict) => {
      verdict = next;
    },
    connect: (input: Partial<ConnectKeyInput> = {}, caller: Caller = SETTINGS, signal?: AbortSignal) =>
      connectKey(
        deps,
        {
          account: "acct-1",
          provider: "openai",
          secret,
          allowUnverified: false,
          requestId: "",
          actor: "user-1",
          ...input,
        },
        caller,
        signal,
      ),
    async openedText() {
      const [key] = await memory.directory.keysOf("acct-1");
      if (key === undefined) return undefined;
      const opened = await createCredentialOpener(sealer).open(key);
      return opened.reveal().toString();
    },
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

describe("a key that the provider accepts", () => {
  test("is sealed, stored and put on record, and only the opener gets it back", async () => {
    const vault = openVault();
    const record = await vault.connect({ secret: `  ${vault.secret}\n` });
    expect(record).toEqual({
      account: "acct-1",
      keyId: "openai",
      provider: "openai",
      version: 1,
      revision: 1,
      source: "PASTED",
      state: "ACTIVE",
      stateReason: "",
      createMs: START_MS,
      verifyMs: START_MS,
    });
    expect(await vault.openedText()).toBe(vault.secret);
    expect(vault.audit).toEqual([
      {
        kind: "key.connected",
        timeMs: START_MS,
        caller: SETTINGS.spiffeId,
        actor: "user-1",
        account: "acct-1",
        subject: "accounts/acct-1/keys/openai",
        details: {
          provider: "openai",
          version: "1",
          state: "ACTIVE",
          source: "PASTED",
          fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
        },
      },
    ]);
    expect(inspect([record, vault.audit], { depth: 9 })).not.toContain(vault.secret.slice(8, 16));
  });

  test.each([
    ["valid_restricted", { state: "ACTIVE", stateReason: "of ours" }],
    ["valid_no_credit", { state: "EXHAUSTED", stateUntilMs: START_MS + 300_000 }],
    ["rate_limited", { state: "RATE_LIMITED", stateUntilMs: START_MS + 60_000 }],
  ] as const)("as %s is live, and stored as such", async (outcome, expected) => {
    const vault = openVault();
    vault.judge({ outcome, reason: "of ours" });
    expect(await vault.connect()).toMatchObject({ ...expected, verifyMs: START_MS });
  });

  test("that is rate limited waits as long as the provider says, within bounds", async () => {
    const vault = openVault();
    for (const [retryAfterMs, waitMs] of [
      [5_000, 5_000],
      [1, 1_000],
      [10 ** 9, 3_600_000],
    ] as const) {
      vault.judge({ outcome: "rate_limited", reason: "of ours", retryAfterMs });
      expect((await vault.connect()).stateUntilMs).toBe(START_MS + waitMs);
    }
  });

  test("replaces an older one, which serves until then", async () => {
    const vault = openVault();
    await vault.connect();
    const next = openAiKey();
    expect(await vault.connect({ secret: next })).toMatchObject({ version: 2, revision: 1 });
    expect(await vault.openedText()).toBe(next);
  });

  test("is stored once more when a rival was faster, under the version that is then free", async () => {
    const vault = openVault();
    let rivals = 1;
    const store = vault.deps.keys;
    const keys: ConnectKeyDeps["keys"] = {
      ...store,
      async put(key, mutation) {
        if (rivals > 0) {
          rivals -= 1;
          await vault.connect({ secret: openAiKey() });
        }
        return store.put(key, mutation);
      },
    };
    const record = await connectKey(
      { ...vault.deps, keys },
      { account: "acct-1", provider: "openai", secret: vault.secret, allowUnverified: false, requestId: "", actor: "" },
      SETTINGS,
    );
    expect(record.version).toBe(2);
    expect(await vault.openedText()).toBe(vault.secret);
    expect(vault.probed).toHaveLength(2);
  });

  test("that is overtaken again and again is given up, not tried for ever", async () => {
    const keys = { ...createMemoryKeyStore().store, put: async () => "raced" as const };
    expect((await refusal(openVault({ keys }).connect())).reason).toBe("ETAG_MISMATCH");
  });
});

describe("a key that is refused", () => {
  test.each(["invalid", "wrong_kind", "blocked"] as const)(
    "as %s is not stored, and the older one keeps serving",
    async (outcome) => {
      const vault = openVault();
      await vault.connect();
      vault.judge({ outcome, reason: "A reason of ours." });
      const error = await refusal(vault.connect({ secret: openAiKey(), allowUnverified: true }));
      expect(error.refusal).toMatchObject({ reason: "KEY_REJECTED", metadata: { provider: "openai", outcome } });
      expect(error.message).toContain("A reason of ours.");
      expect(await vault.openedText()).toBe(vault.secret);
      expect(vault.audit).toHaveLength(1);
    },
  );

  test.each(["unknown", "network_refused"] as const)(
    "because the provider said nothing (%s) is not stored",
    async (outcome) => {
      const vault = openVault();
      vault.judge({ outcome, reason: "No answer.", retryAfterMs: 9_000 });
      const error = await refusal(vault.connect());
      expect(error).toMatchObject({ reason: "PROVIDER_UNREACHABLE", retryAfterMs: 9_000 });
      expect(await vault.store.list("acct-1", 10, "")).toEqual([]);
      expect(vault.audit).toEqual([]);
    },
  );

  test("of another provider's shape is never shown to the provider, and the hint says whose it looks like", async () => {
    const vault = openVault();
    const groqKey = `gsk_${randomBytes(26).toString("hex")}`;
    const error = await refusal(vault.connect({ secret: groqKey }));
    expect(error.reason).toBe("KEY_SHAPE_MISMATCH");
    expect(error.message).toContain("Groq");
    expect(error.refusal.metadata).toEqual({ provider: "openai", looks_like: "groq" });
    expect(vault.probed).toEqual([]);
  });

  test("because it is Anthropic's comes with the advice to use OpenRouter, by its provider or by its shape", async () => {
    const vault = openVault();
    const anthropicKey = ["sk", "ant", "api03", randomBytes(30).toString("hex")].join("-");
    for (const input of [{ provider: "anthropic" as const }, { secret: anthropicKey }]) {
      const error = await refusal(vault.connect(input));
      expect(error.reason).toBe("ANTHROPIC_NOT_SUPPORTED");
      expect(error.message).toContain("OpenRouter");
    }
    expect(vault.probed).toEqual([]);
  });

  test("for its fields names all of them at once, without the secret", async () => {
    const vault = openVault();
    const secret = `${vault.secret}\u0000`;
    const error = await refusal(
      vault.connect({ account: "", provider: undefined, secret, requestId: "1", actor: "\n" }),
    );
    expect(error.refusal.violations?.map(({ field }) => field)).toEqual([
      "account",
      "provider",
      "secret",
      "request_id",
      "actor",
    ]);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(vault.secret.slice(8, 16));
    for (const bad of ["", "   ", "x".repeat(513), " ".repeat(3_000), "ключ"]) {
      expect((await refusal(vault.connect({ secret: bad }))).reason).toBe("FIELDS_INVALID");
    }
  });
});

describe("allow_unverified", () => {
  const silent: Verdict = { outcome: "unknown", reason: "OpenAI could not be reached." };

  test("stores an unchecked key where there is none", async () => {
    const vault = openVault();
    vault.judge(silent);
    const record = await vault.connect({ allowUnverified: true });
    expect(record).toMatchObject({ state: "UNVERIFIED", stateReason: silent.reason });
    expect(record.verifyMs).toBeUndefined();
  });

  test.each(["ACTIVE", "UNVERIFIED", "RATE_LIMITED", "EXHAUSTED"] as const)(
    "never replaces a key that is %s",
    async (state) => {
      const vault = openVault();
      await storeWithState(vault, state);
      vault.judge(silent);
      const error = await refusal(vault.connect({ secret: openAiKey(), allowUnverified: true }));
      expect(error.reason).toBe("PROVIDER_UNREACHABLE");
      expect(error.message).toContain("keeps serving");
      expect(await vault.store.find("acct-1", "openai")).toMatchObject({ version: 1, state });
    },
  );

  test.each(["DEAD", "BLOCKED", "UNREADABLE"] as const)(
    "replaces a key that is %s and serves nobody",
    async (state) => {
      const vault = openVault();
      await storeWithState(vault, state);
      vault.judge(silent);
      expect(await vault.connect({ allowUnverified: true })).toMatchObject({ version: 2, state: "UNVERIFIED" });
    },
  );

  async function storeWithState(vault: ReturnType<typeof openVault>, state: KeyState): Promise<void> {
    const store = vault.deps.keys;
    const put: typeof store.put = (key, mutation) => store.put({ ...key, record: { ...key.record, state } }, mutation);
    const deps = { ...vault.deps, keys: { ...store, put } };
    const input = { account: "acct-1", provider: "openai" as const, secret: vault.secret, allowUnverified: false };
    await connectKey(deps, { ...input, requestId: "", actor: "" }, SETTINGS);
  }
});

describe("a request id", () => {
  test("gives the first answer again without asking the provider, in either case of the UUID", async () => {
    const vault = openVault();
    const first = await vault.connect({ requestId: UUID });
    vault.judge({ outcome: "invalid", reason: "Dead by now." });
    expect(await vault.connect({ requestId: UUID.toLowerCase() })).toEqual(first);
    expect(vault.probed).toHaveLength(1);
  });

  test("with another secret is a conflict that names the field, without asking the provider", async () => {
    const vault = openVault();
    await vault.connect({ requestId: UUID });
    const error = await refusal(vault.connect({ requestId: UUID, secret: openAiKey(), actor: "user-2" }));
    expect(error.refusal).toMatchObject({
      reason: "REQUEST_ID_CONFLICT",
      metadata: { differing_fields: "actor,secret" },
    });
    expect(vault.probed).toHaveLength(1);
  });
});

describe("the secret", () => {
  test.each(["valid", "invalid", "unknown"] as const)("is wiped when the probe says %s", async (outcome) => {
    const vault = openVault();
    vault.judge({ outcome, reason: "of ours" });
    await vault.connect().catch(() => undefined);
    expect(() => vault.probed[0]?.reveal()).toThrow("wiped");
  });

  test("is wiped, and stands in no error, when sealing fails", async () => {
    const failing = {
      seal: () => Promise.reject(refuse("KMS_UNAVAILABLE", "no KMS")),
      fingerprint: async () => Buffer.alloc(32),
    };
    const vault = openVault({ sealer: failing });
    const error = await refusal(vault.connect({ requestId: UUID }));
    expect(error.reason).toBe("KMS_UNAVAILABLE");
    expect(() => vault.probed[0]?.reveal()).toThrow("wiped");
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(vault.secret.slice(8, 16));
    expect(await vault.store.find("acct-1", "openai")).toBeUndefined();
  });
});

test("plori's own keys are for admins", async () => {
  const vault = openVault();
  expect((await refusal(vault.connect({ account: "platform" }))).reason).toBe("ROLE_NOT_ALLOWED");
  expect(vault.probed).toEqual([]);
  expect(await vault.connect({ account: "platform" }, ADMIN)).toMatchObject({ account: "platform" });
});

test("a caller that went away leaves nothing stored", async () => {
  const vault = openVault();
  vault.judge({ outcome: "unknown", reason: "cut short" });
  const attempt = vault.connect({ allowUnverified: true }, SETTINGS, AbortSignal.abort());
  expect((await refusal(attempt)).reason).toBe("CANCELLED");
  expect(await vault.store.find("acct-1", "openai")).toBeUndefined();
});

test("an account has at most ten keys a minute checked", async () => {
  const vault = openVault();
  for (let tries = 0; tries < 10; tries += 1) await vault.connect();
  vault.clock.advance(15_000);
  expect(await refusal(vault.connect())).toMatchObject({ reason: "RATE_LIMITED", retryAfterMs: 45_000 });
  await vault.connect({ account: "acct-2" });
  vault.clock.advance(45_000);
  await vault.connect();
  expect(vault.probed).toHaveLength(12);
});

describe("several of plori's own keys for one provider", () => {
  const platform = { account: "platform" } as const;

  test("live side by side under their ids, and each is replaced alone", async () => {
    const vault = openVault();
    const first = await vault.connect({ ...platform, keyId: "fleet-1", hosts: ["host-1", "host-2"] }, ADMIN);
    expect(first).toMatchObject({ keyId: "fleet-1", version: 1, hosts: ["host-1", "host-2"] });
    await vault.connect({ ...platform, keyId: "fleet-2" }, ADMIN);
    await vault.connect(platform, ADMIN);
    const next = openAiKey();
    await vault.connect({ ...platform, keyId: "fleet-2", secret: next }, ADMIN);
    const keys = await vault.directory.keysOf("platform");
    expect(keys.map((key) => `${key.keyId} ${key.version}`).sort()).toEqual(["fleet-1 1", "fleet-2 4", "openai 3"]);
    const opener = createCredentialOpener(vault.sealer);
    const texts = await Promise.all(keys.map(async (key) => (await opener.open(key)).reveal().toString()));
    expect(texts.filter((text) => text === next)).toHaveLength(1);
    expect(texts.filter((text) => text === vault.secret)).toHaveLength(2);
    expect(vault.audit[0]).toMatchObject({
      subject: "accounts/platform/keys/fleet-1",
      details: { hosts: "host-1 host-2" },
    });
  });

  test("stay bound when they are rotated without naming hosts, and are bound anew when it names some", async () => {
    const vault = openVault();
    await vault.connect({ ...platform, keyId: "fleet-1", hosts: ["host-1"] }, ADMIN);
    expect(await vault.connect({ ...platform, keyId: "fleet-1" }, ADMIN)).toMatchObject({ hosts: ["host-1"] });
    const bound = await vault.connect({ ...platform, keyId: "fleet-1", hosts: ["host-2"] }, ADMIN);
    expect(bound).toMatchObject({ hosts: ["host-2"] });
  });

  test("have no other provider's name, and never change their provider", async () => {
    const vault = openVault();
    await vault.connect({ ...platform, keyId: "fleet-1" }, ADMIN);
    const groqKey = `gsk_${randomBytes(26).toString("hex")}`;
    const groq = { ...platform, provider: "groq", secret: groqKey } as const;
    const taken = await refusal(vault.connect({ ...groq, keyId: "fleet-1" }, ADMIN));
    expect(taken.refusal.violations).toMatchObject([{ field: "key_id" }]);
    const named = await refusal(vault.connect({ ...groq, keyId: "openai" }, ADMIN));
    expect(named.refusal.violations).toMatchObject([{ field: "key_id" }]);
  });

  test("are not for users: key ids and hosts of other accounts are refused, with every wrong field", async () => {
    const vault = openVault();
    const error = await refusal(vault.connect({ keyId: "mine", hosts: ["host-1", "host-1", "no/id"] }));
    expect(error.refusal.violations?.map(({ field }) => field)).toEqual(["key_id", "hosts", "hosts[1]", "hosts[2]"]);
    const many = Array.from({ length: 501 }, (_none, index) => `host-${index}`);
    expect((await refusal(vault.connect({ ...platform, hosts: many }, ADMIN))).reason).toBe("FIELDS_INVALID");
  });

  test("are other requests under one request id", async () => {
    const vault = openVault();
    await vault.connect({ ...platform, keyId: "fleet-1", hosts: ["host-1"], requestId: UUID }, ADMIN);
    const other = vault.connect({ ...platform, keyId: "fleet-2", hosts: ["host-2"], requestId: UUID }, ADMIN);
    expect((await refusal(other)).refusal).toMatchObject({ metadata: { differing_fields: "hosts,key_id" } });
  });
});
