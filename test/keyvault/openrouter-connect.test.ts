import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PloriError } from "../../src/base/errors.ts";
import { CONNECT_LIFE_MS } from "../../src/keyvault/connect-ports.ts";
import { createProbeBudget } from "../../src/keyvault/probe-budget.ts";
import { type CodeExchanger, createCodeExchanger } from "../../src/providers/exchange-code.ts";
import { START_MS } from "../seal/open-test-sealer.ts";
import { decideAtConsentPage } from "../simulators/consent.ts";
import { OPENROUTER_SPEC } from "../simulators/providers/openrouter.ts";
import { type ProviderSimulator, startSimulator } from "../simulators/simulator.ts";
import { CALLBACK, type OneClickVault, openOneClickVault } from "../support/one-click-vault.ts";

const UUID = "0190A3F0-0000-7000-8000-000000000007";

let openRouter: ProviderSimulator;
beforeAll(async () => {
  openRouter = await startSimulator(OPENROUTER_SPEC);
});
afterAll(() => openRouter.close());

let vault: OneClickVault;
beforeEach(async () => {
  vault = await openOneClickVault(openRouter);
});
afterEach(async () => {
  openRouter.setFault(undefined);
  openRouter.consent.mintWith({});
  await vault.close();
});

async function refusal(attempt: Promise<unknown>): Promise<PloriError> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PloriError)) throw new Error(`expected a refusal, got ${inspect(error)}`);
  return error;
}

const newest = (): string => openRouter.consent.minted.at(-1) ?? "";

describe("an approved connect", () => {
  test("brings a key that is sealed and serves, of which the record tells nothing", async () => {
    const record = await vault.complete(await vault.approved());
    expect(record).toMatchObject({ provider: "openrouter", source: "ONE_CLICK", state: "ACTIVE", version: 1 });
    expect(record.verifyMs).toBe(START_MS);
    expect(await vault.credential()).toBe(newest());
    expect(inspect(record, { depth: 9 })).not.toContain(newest().slice(9, 17));
  });

  test("replaces a key atomically: the older one serves until then", async () => {
    await vault.complete(await vault.approved());
    const older = newest();
    const next = await vault.approved();
    expect(await vault.credential()).toBe(older);
    expect(await vault.complete(next)).toMatchObject({ version: 2 });
    expect(await vault.credential()).toBe(newest());
    expect(newest()).not.toBe(older);
  });

  test("survives a restart between its beginning and its completion", async () => {
    const approved = await vault.approved();
    await vault.restart();
    await vault.complete(approved);
    expect(await vault.credential()).toBe(newest());
  });

  test("sends the user to a page with the id in the callback and the caller's query as it was", async () => {
    const { authorizationUrl, connectId, expireMs } = await vault.begin();
    expect(expireMs).toBe(START_MS + CONNECT_LIFE_MS);
    expect(Buffer.from(connectId, "base64url").length * 8).toBeGreaterThanOrEqual(128);
    const callback = new URL(authorizationUrl).searchParams.get("callback_url");
    expect(callback).toBe(`${CALLBACK}&connect_id=${connectId}`);
    const denied = await decideAtConsentPage(authorizationUrl, "deny");
    expect(denied.searchParams.get("error")).toBe("access_denied");
    expect(denied.searchParams.get("connect_id")).toBe(connectId);
  });

  test("minted with a limit has it in its record; one without credit is live", async () => {
    openRouter.consent.mintWith({ limitUsd: 5 });
    expect((await vault.complete(await vault.approved())).limits).toMatchObject({ limitUsdNano: 5_000_000_000n });
    openRouter.consent.mintWith({ condition: "no_credit" });
    expect(await vault.complete(await vault.approved())).toMatchObject({ state: "EXHAUSTED", version: 2 });
  });
});

describe("a completion that is not this connect's", () => {
  test("by another account, or of an id that nobody began, looks like none and spends nothing", async () => {
    const approved = await vault.approved();
    const foreign = await refusal(vault.complete({ ...approved, account: "acct-2" }));
    const unknown = await refusal(vault.complete({ ...approved, connectId: "A".repeat(32) }));
    expect(foreign.refusal).toEqual(unknown.refusal);
    expect(foreign.reason).toBe("CONNECT_NOT_FOUND");
    expect(vault.exchanges()).toBe(0);
    await vault.complete(approved);
  });

  test("with the code of another connect is refused by OpenRouter, and takes the other connect nothing", async () => {
    const mine = await vault.approved();
    const theirs = await vault.approved("acct-2");
    const error = await refusal(vault.complete({ connectId: mine.connectId, code: theirs.code }));
    expect(error.refusal).toMatchObject({ reason: "CONNECT_CODE_REFUSED", metadata: { connect: "SPENT" } });
    expect(await vault.key()).toBeUndefined();
    await vault.complete({ ...theirs, account: "acct-2" });
  });

  test("names every wrong field at once, without the code", async () => {
    const error = await refusal(
      vault.complete({ account: "", connectId: "a b", code: 'canary"canary', requestId: "1", actor: "\n" }),
    );
    expect(error.refusal.violations?.map(({ field }) => field)).toEqual([
      "account",
      "connect_id",
      "code",
      "request_id",
      "actor",
    ]);
    expect(inspect(error, { depth: 9 })).not.toContain("canary");
    const begin = await refusal(
      vault.begin({ account: "", callbackUrl: "https://evil.example/canary", requestId: "1", actor: "\n" }),
    );
    expect(begin.refusal.violations?.map(({ field }) => field)).toEqual([
      "account",
      "callback_url",
      "request_id",
      "actor",
    ]);
    expect(inspect(begin, { depth: 9 })).not.toContain("canary");
  });

  test("for plori's own account is refused", async () => {
    expect((await refusal(vault.begin({ account: "platform" }))).reason).toBe("ROLE_NOT_ALLOWED");
    const code = { connectId: "x", code: "y", account: "platform" };
    expect((await refusal(vault.complete(code))).reason).toBe("ROLE_NOT_ALLOWED");
  });
});

describe("a connect serves one completion", () => {
  test("a repetition is told that it was completed, and mints nothing", async () => {
    const approved = await vault.approved();
    await vault.complete(approved);
    const again = await refusal(vault.complete(approved));
    expect(again.refusal).toMatchObject({ reason: "CONNECT_SPENT", metadata: { outcome: "COMPLETED" } });
    expect(vault.exchanges()).toBe(1);
  });

  test("a repetition with the same request id gets the first answer, also after a restart; another code is a conflict", async () => {
    const approved = { ...(await vault.approved()), requestId: UUID };
    const first = await vault.complete(approved);
    await vault.restart();
    expect(await vault.complete({ ...approved, requestId: UUID.toLowerCase() })).toEqual(first);
    const other = await refusal(vault.complete({ ...approved, code: "other" }));
    expect(other.refusal).toMatchObject({
      reason: "REQUEST_ID_CONFLICT",
      metadata: { differing_fields: "code" },
    });
    expect(vault.exchanges()).toBe(1);
  });

  test("of many at once exactly one exchange leaves, and one key is stored", async () => {
    const approved = await vault.approved();
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => vault.complete(approved)));
    const won = outcomes.filter(({ status }) => status === "fulfilled");
    expect(won).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ reason: "CONNECT_SPENT" });
    }
    expect(vault.exchanges()).toBe(1);
    expect(await vault.key()).toMatchObject({ version: 1 });
  });

  test("a crash after the claim leaves it spent: running at first, lost after a minute, and never exchanged again", async () => {
    const approved = await vault.approved();
    const crash: CodeExchanger = { exchange: () => new Promise(() => {}) };
    void vault.complete(approved, { exchanger: crash });
    await expect.poll(async () => (await vault.find(approved.connectId))?.state).toBe("CLAIMED");
    await vault.restart();
    const soon = await refusal(vault.complete(approved));
    expect(soon.refusal).toMatchObject({ reason: "CONNECT_SPENT", metadata: { outcome: "RUNNING" } });
    vault.clock.advance(60_000);
    const later = await refusal(vault.complete(approved));
    expect(later.refusal).toMatchObject({ reason: "CONNECT_SPENT", metadata: { outcome: "LOST" } });
    expect(later.message).toContain("Begin the connect again");
    expect(vault.exchanges()).toBe(0);
  });

  test("an answer that was lost after the key was minted is never asked for again", async () => {
    const approved = await vault.approved();
    openRouter.consent.loseNextAnswer();
    const lost = await refusal(vault.complete(approved));
    expect(lost.refusal).toMatchObject({
      reason: "PROVIDER_UNREACHABLE",
      metadata: { cause: "UNREACHABLE", connect: "SPENT" },
    });
    expect(lost.message).toContain("may be left at OpenRouter");
    const again = await refusal(vault.complete(approved));
    expect(again.refusal).toMatchObject({ reason: "CONNECT_SPENT", metadata: { outcome: "LOST" } });
    expect(vault.exchanges()).toBe(1);
  });

  test("a caller that goes away before the claim leaves it open; after the claim the key is stored all the same", async () => {
    const approved = await vault.approved();
    expect((await refusal(vault.complete(approved, {}, AbortSignal.abort()))).reason).toBe("CANCELLED");
    const gone = new AbortController();
    const real = vault.deps().exchanger;
    const exchanger: CodeExchanger = {
      exchange(code, verifier) {
        gone.abort();
        return real.exchange(code, verifier);
      },
    };
    await vault.complete(approved, { exchanger }, gone.signal);
    expect(await vault.credential()).toBe(newest());
  });
});

describe("time", () => {
  test("a connect is completed within ten minutes or not at all, and told so", async () => {
    const [inTime, late] = [await vault.approved(), await vault.approved()];
    vault.clock.advance(CONNECT_LIFE_MS - 1);
    await vault.complete(inTime);
    vault.clock.advance(1);
    const error = await refusal(vault.complete(late));
    expect(error.refusal).toMatchObject({ reason: "CONNECT_EXPIRED", metadata: { expired: "CONNECT" } });
    await vault.sweep();
    expect((await refusal(vault.complete(late))).reason).toBe("CONNECT_EXPIRED");
    expect(vault.exchanges()).toBe(1);
  });

  test("a code that is too old for OpenRouter is told apart from one that does not fit", async () => {
    const approved = await vault.approved();
    openRouter.consent.expireCodes();
    const error = await refusal(vault.complete(approved));
    expect(error.refusal).toMatchObject({ reason: "CONNECT_EXPIRED", metadata: { expired: "CODE", connect: "SPENT" } });
    const again = await refusal(vault.complete(approved));
    expect(again.refusal).toMatchObject({ reason: "CONNECT_SPENT", metadata: { outcome: "REFUSED" } });
  });
});

describe("what OpenRouter answers to the exchange has a reason of its own", () => {
  test.each([
    [{ kind: "status", status: 400 }, "CONNECT_CHALLENGE_REFUSED", { http_status: "400" }],
    [{ kind: "status", status: 403 }, "CONNECT_CODE_REFUSED", { http_status: "403" }],
    [{ kind: "status", status: 405 }, "CONNECT_EXCHANGE_REFUSED", { http_status: "405" }],
    [{ kind: "status", status: 500 }, "PROVIDER_UNREACHABLE", { http_status: "500", cause: "SERVER_ERROR" }],
    [{ kind: "html", status: 200 }, "PROVIDER_UNREACHABLE", { cause: "UNREADABLE_ANSWER" }],
    [{ kind: "redirect", to: "http://127.0.0.1:1/" }, "PROVIDER_UNREACHABLE", { cause: "REDIRECT" }],
    [{ kind: "reset" }, "PROVIDER_UNREACHABLE", { cause: "UNREACHABLE" }],
    [{ kind: "hang" }, "PROVIDER_UNREACHABLE", { cause: "TIMEOUT" }],
  ] as const)("%j is %s, and the connect is spent", async (fault, reason, metadata) => {
    const approved = await vault.approved();
    openRouter.setFault(fault, "call");
    const { clock } = vault;
    const impatient = createCodeExchanger({ overrideOrigin: openRouter.origin, clock, deadlineMs: 200 });
    const error = await refusal(vault.complete(approved, fault.kind === "hang" ? { exchanger: impatient } : {}));
    expect(error.refusal).toMatchObject({
      reason,
      metadata: { ...metadata, provider: "openrouter", connect: "SPENT" },
    });
    expect(error.message).toContain("Begin the connect again");
    openRouter.setFault(undefined);
    const outcome = reason === "PROVIDER_UNREACHABLE" ? "LOST" : "REFUSED";
    expect((await refusal(vault.complete(approved))).refusal).toMatchObject({ metadata: { outcome } });
    expect(await vault.key()).toBeUndefined();
  });
});

describe("the minted key is checked", () => {
  test.each(["wrong_kind", "expired"] as const)(
    "one that is %s is not stored, and the older one stays",
    async (condition) => {
      await vault.complete(await vault.approved());
      const older = newest();
      openRouter.consent.mintWith({ condition });
      const error = await refusal(vault.complete(await vault.approved()));
      expect(error.refusal).toMatchObject({ reason: "KEY_REJECTED", metadata: { connect: "SPENT" } });
      expect(await vault.credential()).toBe(older);
    },
  );

  test("one that could not be checked is stored as unverified where there is none, and replaces none that serves", async () => {
    openRouter.setFault({ kind: "status", status: 500 }, "get");
    const authorize = async () => {
      openRouter.setFault(undefined);
      const approved = await vault.approved();
      openRouter.setFault({ kind: "status", status: 500 }, "get");
      return approved;
    };
    expect(await vault.complete(await authorize())).toMatchObject({ state: "UNVERIFIED", source: "ONE_CLICK" });
    const kept = newest();
    const error = await refusal(vault.complete(await authorize()));
    expect(error.refusal).toMatchObject({ reason: "PROVIDER_UNREACHABLE", metadata: { connect: "SPENT" } });
    expect(error.message).toContain("may be left at OpenRouter");
    expect(await vault.credential()).toBe(kept);
  });

  test("and its checks count: an eleventh in a minute is refused with the connect as it was", async () => {
    const probeBudget = createProbeBudget(vault.clock);
    for (let i = 0; i < 10; i += 1) probeBudget.take("acct-1");
    const approved = await vault.approved();
    expect((await refusal(vault.complete(approved, { probeBudget }))).reason).toBe("RATE_LIMITED");
    await vault.complete(approved);
  });
});

describe("when KMS is away", () => {
  test("nothing begins; and what was begun stays open until KMS is back", async () => {
    const approved = await vault.approved();
    await vault.restart();
    vault.kms.failure = "unavailable";
    expect((await refusal(vault.begin())).reason).toBe("KMS_UNAVAILABLE");
    expect((await refusal(vault.complete(approved))).reason).toBe("KMS_UNAVAILABLE");
    expect(vault.exchanges()).toBe(0);
    vault.kms.failure = undefined;
    vault.clock.advance(10_000);
    await vault.complete(approved);
  });

  test("after the claim the account's data key is warm: the key is sealed without KMS", async () => {
    const approved = await vault.approved();
    const real = vault.deps().exchanger;
    const exchanger: CodeExchanger = {
      exchange(code, verifier) {
        vault.kms.failure = "unavailable";
        return real.exchange(code, verifier);
      },
    };
    await vault.complete(approved, { exchanger });
    vault.kms.failure = undefined;
    expect(await vault.credential()).toBe(newest());
  });

  test("a failure to seal or store after the key was minted says that the connect is spent", async () => {
    const approved = await vault.approved();
    const keys = {
      ...vault.deps().keys,
      put: () => Promise.reject(new PloriError({ reason: "STORAGE_FULL", message: "Full." })),
    };
    const error = await refusal(vault.complete(approved, { keys }));
    expect(error.refusal).toMatchObject({ reason: "STORAGE_FULL", metadata: { connect: "SPENT" } });
    expect((await refusal(vault.complete(approved))).refusal).toMatchObject({ metadata: { outcome: "LOST" } });
  });
});

describe("a request id of a beginning", () => {
  test("gives the same page and id again, also after a restart; another callback is a conflict", async () => {
    const first = await vault.begin({ requestId: UUID });
    await vault.restart();
    expect(await vault.begin({ requestId: UUID })).toEqual(first);
    const other = await refusal(vault.begin({ requestId: UUID, callbackUrl: "https://app.example/other" }));
    expect(other.refusal).toMatchObject({
      reason: "REQUEST_ID_CONFLICT",
      metadata: { differing_fields: "callback_url" },
    });
  });
});
