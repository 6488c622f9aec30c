import { describe, expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError, refuse } from "../../src/base/errors.ts";
import { Secret } from "../../src/base/secret.ts";
import type { Caller } from "../../src/identity/roles.ts";
import { createKeyKeeper } from "../../src/keyvault/key-keeper.ts";
import type { KeyRecord } from "../../src/keyvault/ports.ts";
import { createProbeBudget } from "../../src/keyvault/probe-budget.ts";
import { verifyKey } from "../../src/keyvault/verify-key.ts";
import { watchOpener } from "../../src/keyvault/watched-opener.ts";
import type { Verdict } from "../../src/providers/verdict.ts";
import { createMemoryKeyStore } from "../support/memory-key-store.ts";
import { testMutation } from "../support/mutation.ts";

const NOW_MS = 1_790_000_000_000;
const SETTINGS: Caller = { spiffeId: "spiffe://dev.plori.internal/settings/dev", role: "settings", name: "dev" };
const ADMIN: Caller = { spiffeId: "spiffe://dev.plori.internal/admin/dev", role: "admin", name: "dev" };
const UUID = "0190a3f0-0000-7000-8000-000000000009";
const BY_SERVICE = { caller: "service", actor: "", details: { cause: "time" }, auditAlways: false };
const REF = { account: "acct-1", keyId: "openai", version: 1 };

async function openKeeper(changes: Partial<KeyRecord> = {}) {
  const clock = manualClock(NOW_MS);
  const memory = createMemoryKeyStore();
  const record: KeyRecord = {
    account: "acct-1",
    keyId: "openai",
    provider: "openai",
    version: 1,
    revision: 1,
    source: "PASTED",
    state: "ACTIVE",
    stateReason: "",
    createMs: NOW_MS,
    ...changes,
  };
  const put = (next: KeyRecord, replacesVersion: number) =>
    memory.store.put(
      {
        record: next,
        sealed: { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) },
        replacesVersion,
        fingerprint: new Uint8Array(32),
        probeDueMs: NOW_MS + 1,
      },
      testMutation(next.account),
    );
  await put(record, 0);
  let verdict: Verdict = { outcome: "valid", reason: "of ours" };
  let whileProbing: () => Promise<unknown> = async () => undefined;
  let openFailure: PloriError | undefined;
  const secrets: Secret[] = [];
  const keeper = createKeyKeeper({
    keys: memory.store,
    clock,
    probeBudget: createProbeBudget(clock),
    opener: {
      async open() {
        if (openFailure !== undefined) throw openFailure;
        const secret = Secret.fromText("x");
        secrets.push(secret);
        return secret;
      },
    },
    prober: {
      async probe() {
        await whileProbing();
        return verdict;
      },
    },
  });
  const deps = { keys: memory.store, keeper, clock };
  return {
    ...memory,
    clock,
    keeper,
    secrets,
    put,
    record,
    judge: (next: Verdict) => {
      verdict = next;
    },
    whileProbing: (run: () => Promise<unknown>) => {
      whileProbing = run;
    },
    failToOpen: (error: PloriError | undefined) => {
      openFailure = error;
    },
    verify: (input: { requestId?: string; account?: string; keyId?: string; actor?: string } = {}, caller = SETTINGS) =>
      verifyKey(
        deps,
        { account: "acct-1", provider: "openai", keyId: "", requestId: "", actor: "user-1", ...input },
        caller,
      ),
    found: () => memory.store.find("acct-1", "openai"),
  };
}

async function refusal(attempt: Promise<unknown>): Promise<PloriError> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PloriError)) throw new Error("expected a refusal");
  return error;
}

describe("verifying on demand", () => {
  test("probes now, keeps what came out, tells the audit who asked, and wipes the credential", async () => {
    const vault = await openKeeper();
    vault.judge({ outcome: "invalid", reason: "OpenAI does not accept the key." });
    const record = await vault.verify();
    expect(record).toMatchObject({ state: "DEAD", stateReason: "OpenAI does not accept the key.", verifyMs: NOW_MS });
    expect(record.revision).toBe(2);
    expect(vault.audit.at(-1)).toMatchObject({
      kind: "key.state-changed",
      caller: SETTINGS.spiffeId,
      actor: "user-1",
      details: { from: "ACTIVE", to: "DEAD", cause: "asked", outcome: "invalid", version: "1" },
    });
    expect(() => vault.secrets[0]?.reveal()).toThrow("wiped");
    vault.judge({ outcome: "valid", reason: "of ours" });
    expect(await vault.verify()).toMatchObject({ state: "ACTIVE", stateReason: "" });
  });

  test("is on record although nothing changed", async () => {
    const vault = await openKeeper();
    await vault.verify();
    expect(vault.audit.at(-1)).toMatchObject({ kind: "key.verified", actor: "user-1" });
  });

  test("says so when nobody could tell, and changes nothing", async () => {
    const vault = await openKeeper({ state: "DEAD", stateReason: "earlier" });
    vault.judge({ outcome: "unknown", reason: "OpenAI could not be reached.", retryAfterMs: 9_000 });
    const error = await refusal(vault.verify({ requestId: UUID }));
    expect(error).toMatchObject({ reason: "PROVIDER_UNREACHABLE", retryAfterMs: 9_000 });
    expect(await vault.found()).toMatchObject({ state: "DEAD", stateReason: "earlier" });
    vault.judge({ outcome: "valid", reason: "of ours" });
    expect(await vault.verify({ requestId: UUID })).toMatchObject({ state: "ACTIVE" });
  });

  test("under a repeated request id gives the first answer without another probe, and refuses another payload", async () => {
    const vault = await openKeeper();
    const first = await vault.verify({ requestId: UUID });
    vault.judge({ outcome: "invalid", reason: "dead by now" });
    expect(await vault.verify({ requestId: UUID })).toEqual(first);
    expect(vault.secrets).toHaveLength(1);
    expect((await refusal(vault.verify({ requestId: UUID, actor: "user-2" }))).reason).toBe("REQUEST_ID_CONFLICT");
  });

  test("is refused for what is not there, not the caller's, or wrong, with every wrong field", async () => {
    const vault = await openKeeper();
    expect((await refusal(vault.verify({ account: "acct-2" }))).reason).toBe("KEY_NOT_FOUND");
    expect((await refusal(vault.verify({ account: "platform" }))).reason).toBe("ROLE_NOT_ALLOWED");
    expect((await refusal(vault.verify({ account: "platform", keyId: "a" }, ADMIN))).reason).toBe("KEY_NOT_FOUND");
    const error = await refusal(vault.verify({ account: "", keyId: "groq", requestId: "1" }));
    expect(new Set(error.refusal.violations?.map(({ field }) => field))).toEqual(
      new Set(["account", "key_id", "request_id"]),
    );
  });
});

describe("a probe", () => {
  test("that is late for an older version leaves the new one as it is", async () => {
    const vault = await openKeeper();
    vault.judge({ outcome: "invalid", reason: "the old one is dead" });
    vault.whileProbing(async () => {
      vault.whileProbing(async () => undefined);
      await vault.put({ ...vault.record, version: 2 }, 1);
    });
    expect(await vault.keeper.probe(REF, BY_SERVICE, { for: "SERVICE" })).toBeUndefined();
    expect(await vault.found()).toMatchObject({ version: 2, state: "ACTIVE" });
  });

  test("keeps what a rival change of the same version made meanwhile", async () => {
    const vault = await openKeeper();
    vault.whileProbing(async () => {
      vault.whileProbing(async () => undefined);
      const limit = { kind: "reported-rate-limit", model: "m1", retryAfterMs: 30_000 } as const;
      await vault.keeper.note(REF, limit, BY_SERVICE);
    });
    const after = await vault.keeper.probe(REF, BY_SERVICE, { for: "SERVICE" });
    expect(after).toMatchObject({ state: "RATE_LIMITED", modelLimits: { m1: NOW_MS + 30_000 }, verifyMs: NOW_MS });
  });

  test("of a key version is one flight, however many want it", async () => {
    const vault = await openKeeper();
    const all = Array.from({ length: 50 }, () => vault.keeper.probe(REF, BY_SERVICE, { for: "SERVICE" }));
    await Promise.all(all);
    expect(vault.secrets).toHaveLength(1);
  });

  test("by reports and timers leaves some of the account's ten a minute to its owner", async () => {
    const vault = await openKeeper();
    const outcomes: string[] = [];
    for (let tries = 0; tries < 10; tries += 1) {
      const probe = vault.keeper.probe(REF, BY_SERVICE, { for: "SERVICE" });
      outcomes.push(
        await probe.then(
          () => "probed",
          (error: unknown) => (error instanceof PloriError ? error.reason : "?"),
        ),
      );
    }
    expect(outcomes.filter((outcome) => outcome === "probed")).toHaveLength(6);
    for (let tries = 0; tries < 4; tries += 1) await vault.verify();
    expect((await refusal(vault.verify())).reason).toBe("RATE_LIMITED");
    expect(vault.secrets).toHaveLength(10);
  });

  test("of a record that fails its check makes the key unreadable; one that the KMS refuses just now does not", async () => {
    const vault = await openKeeper();
    vault.failToOpen(refuse("KEY_UNREADABLE", "the KMS refuses"));
    expect((await refusal(vault.verify())).reason).toBe("KEY_UNREADABLE");
    expect(await vault.found()).toMatchObject({ state: "ACTIVE", revision: 1 });
    vault.failToOpen(refuse("RECORD_CORRUPT", "altered"));
    expect(await vault.verify()).toMatchObject({ state: "UNREADABLE" });
    vault.failToOpen(undefined);
    expect(await vault.verify()).toMatchObject({ state: "ACTIVE" });
  });
});

test("an opener tells of records that fail their check, and of nothing else", async () => {
  const told: unknown[] = [];
  let failure = refuse("KMS_UNAVAILABLE", "away");
  const failing = () => {
    throw failure;
  };
  const opener = watchOpener({ open: async () => failing(), openWarm: failing }, (ref) => told.push(ref));
  const key = {
    ...REF,
    provider: "openai",
    sealed: { dataKeyId: "", dataKeyVersion: 1, bytes: new Uint8Array() },
  } as const;
  await refusal(opener.open(key));
  failure = refuse("RECORD_CORRUPT", "altered");
  await refusal(opener.open(key));
  expect(() => opener.openWarm(key)).toThrow("altered");
  expect(told).toEqual([REF, REF]);
});
