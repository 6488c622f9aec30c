import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PloriError } from "../../src/base/errors.ts";
import type { CompleteOpenRouterConnectDeps } from "../../src/keyvault/complete-openrouter-connect.ts";
import { verifierIdentity } from "../../src/keyvault/pkce.ts";
import type { CodeExchanger } from "../../src/providers/exchange-code.ts";
import { approve } from "../simulators/consent.ts";
import { OPENROUTER_SPEC } from "../simulators/providers/openrouter.ts";
import { type ProviderSimulator, startSimulator } from "../simulators/simulator.ts";
import { type OneClickVault, openOneClickVault } from "../support/one-click-vault.ts";

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

describe("the audit", () => {
  test("has every beginning, claim, failure and key with who and for whom, and names no connect by its id", async () => {
    const good = await vault.approved();
    await vault.complete({ ...good, actor: "user-2" });
    const bad = await vault.approved();
    await refusal(vault.complete({ connectId: bad.connectId, code: "made-up" }));
    const rows = vault.audit().filter(({ kind }) => kind !== "data-key.created");
    expect(rows.map(({ kind, actor }) => [kind, actor])).toEqual([
      ["connect.begun", "user-1"],
      ["connect.claimed", "user-2"],
      ["key.connected", "user-2"],
      ["connect.begun", "user-1"],
      ["connect.claimed", "user-1"],
      ["connect.failed", "user-1"],
    ]);
    for (const row of rows) {
      expect(row).toMatchObject({ account: "acct-1", subject: "accounts/acct-1/keys/openrouter" });
      expect(row.caller).toBe("spiffe://dev.plori.internal/settings/dev");
    }
    expect(rows[2]?.details).toContain("ONE_CLICK");
    expect(rows[5]?.details).toContain("CONNECT_CODE_REFUSED");
    const text = JSON.stringify(rows);
    for (const secret of [good.connectId, bad.connectId, good.code, "made-up", "app.example", newest()]) {
      expect(text).not.toContain(secret);
    }
  });

  test("of a repeated or refused completion has nothing but what happened", async () => {
    const approved = await vault.approved();
    await vault.complete(approved);
    const count = vault.audit().length;
    await refusal(vault.complete(approved));
    await refusal(vault.complete({ ...approved, account: "acct-2" }));
    expect(vault.audit()).toHaveLength(count);
  });
});

describe("secrecy", () => {
  test("neither verifier, code, key nor callback lies on the disk in the clear, before or after", async () => {
    const begun = await vault.begin({ requestId: UUID });
    const { connectId, code } = await approve(begun.authorizationUrl);
    const sealed = (await vault.find(connectId))?.sealedVerifier;
    if (sealed === undefined) throw new Error("no sealed verifier");
    const opened = await vault.deps().sealer.open(verifierIdentity("acct-1", connectId), sealed);
    const verifier = opened.reveal().toString("latin1");
    const challenge = new URL(begun.authorizationUrl).searchParams.get("code_challenge");
    expect(createHash("sha256").update(verifier).digest("base64url")).toBe(challenge);
    const secrets = () => [verifier, code, newest(), "settings/callback"];
    const seen = () => secrets().filter((text) => text !== "" && vault.disk().includes(text));
    expect(seen()).toEqual([]);
    expect(vault.disk().includes(connectId)).toBe(true);
    await vault.complete({ connectId, code, requestId: UUID });
    expect(seen()).toEqual([]);
    await vault.restart();
    expect(seen()).toEqual([]);
  });

  test("a verifier that was moved to another connect or account does not open", async () => {
    const [one, two] = [await vault.begin(), await vault.begin()];
    const sealed = (await vault.find(one.connectId))?.sealedVerifier;
    if (sealed === undefined) throw new Error("no sealed verifier");
    const { connects } = vault.deps();
    const swapped: CompleteOpenRouterConnectDeps["connects"] = {
      ...connects,
      async find(account, connectId) {
        const connect = await connects.find(account, connectId);
        return connect === undefined ? undefined : { ...connect, sealedVerifier: sealed };
      },
    };
    const attempt = vault.complete({ connectId: two.connectId, code: "x" }, { connects: swapped });
    expect((await refusal(attempt)).reason).toBe("RECORD_CORRUPT");
    expect(vault.exchanges()).toBe(0);
  });

  test("code, verifier and key are wiped, whatever comes of it", async () => {
    const seen: { reveal(): Buffer }[] = [];
    const real = vault.deps();
    const exchanger: CodeExchanger = {
      async exchange(code, verifier) {
        const exchange = await real.exchanger.exchange(code, verifier);
        seen.push(code, verifier, ...(exchange.kind === "minted" ? [exchange.secret] : []));
        return exchange;
      },
    };
    await vault.complete(await vault.approved(), { exchanger });
    await refusal(vault.complete({ ...(await vault.approved()), code: "made-up" }, { exchanger }));
    expect(seen).toHaveLength(5);
    for (const secret of seen) expect(() => secret.reveal()).toThrow("wiped");
  });
});
