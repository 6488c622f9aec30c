import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AuditEvent } from "../../src/audit/event.ts";
import { DEFAULT_POLICY } from "../../src/router/decision.ts";
import { policyEtag } from "../../src/router/policy-record.ts";
import type { PolicyChoices, PolicyDirectory, PolicyStore } from "../../src/router/ports.ts";
import { testMutation, testRequest } from "../support/mutation.ts";

const UUID = "0190a3f0-0000-7000-8000-000000000009";
const STOP: PolicyChoices = { providerOrder: [], pins: [], onKeyFailure: "STOP" };
const FULL: PolicyChoices = {
  providerOrder: ["openrouter", "groq"],
  pins: [
    { model: "openai/gpt-5.5", provider: "openrouter" },
    { model: 'a "name" with, everything', provider: "xai" },
  ],
  onKeyFailure: "CREDITS",
  maxHostedCallNano: 2n ** 63n - 1n,
};

interface Opened {
  readonly store: PolicyStore;
  readonly directory: PolicyDirectory;
  /** What the audit says about an account's policies, newest first. */
  changes(account: string): Promise<readonly Pick<AuditEvent, "kind" | "details">[]>;
  readonly close: () => Promise<void> | void;
}

/** What every store of routing policies must keep, whatever engine is behind it. `open` gives an empty one. */
export function policyStoreContract(name: string, open: () => Promise<Opened>): void {
  describe(`policy store: ${name}`, () => {
    let opened: Opened;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened.close());

    const put = (choices: PolicyChoices, etag: string, account = "a1", request?: ReturnType<typeof testRequest>) =>
      opened.store.put(account, choices, etag, testMutation(account, "policy.updated", request));
    const mismatch = (etag: string) => ({ reason: "ETAG_MISMATCH", refusal: { metadata: { etag } } });

    test("an account that has set none has none, and routes by the default", async () => {
      expect(await opened.store.find("a1")).toBeUndefined();
      expect(await opened.directory.policyOf("a1")).toEqual(DEFAULT_POLICY);
    });

    test("a policy comes back as it was stored, and is another account's for nobody", async () => {
      const stored = await put(FULL, "");
      expect(stored).toMatchObject({ account: "a1", revision: 1, ...FULL });
      expect(await opened.store.find("a1")).toEqual(stored);
      expect(await opened.store.find("a2")).toBeUndefined();
      const second = await put(STOP, policyEtag(stored));
      expect(second).toMatchObject({ revision: 2, ...STOP });
      expect(second.maxHostedCallNano).toBeUndefined();
      expect(await opened.store.find("a1")).toEqual(second);
    });

    test("routes go by the policy from the moment it was acknowledged, also where none was set before", async () => {
      expect(opened.directory.warmPolicyOf("a1") ?? (await opened.directory.policyOf("a1"))).toEqual(DEFAULT_POLICY);
      const stored = await put(FULL, "");
      expect(await opened.directory.policyOf("a1")).toEqual({
        onKeyFailure: "CREDITS",
        order: ["openrouter", "groq", "openai", "deepseek", "xai", "together"],
        pins: new Map([
          ["openai/gpt-5.5", "openrouter"],
          ['a "name" with, everything', "xai"],
        ]),
        maxHostedCallNano: 2n ** 63n - 1n,
      });
      await put({ ...STOP, onKeyFailure: "OTHER_KEYS" }, policyEtag(stored));
      expect(opened.directory.warmPolicyOf("a1")?.onKeyFailure ?? "OTHER_KEYS").toBe("OTHER_KEYS");
      expect(await opened.directory.policyOf("a1")).toEqual({ onKeyFailure: "OTHER_KEYS" });
      expect(await opened.directory.policyOf("a2")).toEqual(DEFAULT_POLICY);
    });

    test("the first policy needs no etag, or that of the default; every later one needs its own", async () => {
      await expect(put(FULL, "policy-7")).rejects.toMatchObject(mismatch(policyEtag(undefined)));
      const first = await put(FULL, policyEtag(undefined));
      for (const stale of ["", policyEtag(undefined), "policy-7"])
        await expect(put(STOP, stale)).rejects.toMatchObject(mismatch(policyEtag(first)));
      expect(await opened.store.find("a1")).toEqual(first);
      expect(policyEtag(await put(STOP, policyEtag(first)))).not.toBe(policyEtag(first));
      await put(STOP, "", "a2");
    });

    test("of two that change the same policy at once, one is refused", async () => {
      const settled = await Promise.allSettled([put(FULL, ""), put(STOP, "")]);
      expect(settled.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    });

    test("each change is on record with what was and what is", async () => {
      const first = await put(FULL, "");
      await put(STOP, policyEtag(first));
      const full = {
        on_key_failure: "CREDITS",
        provider_order: "openrouter groq",
        pins: JSON.stringify(FULL.pins.map(({ model, provider }) => [model, provider])),
        max_hosted_call_amount: "9223372036.854775807",
      };
      const none = { on_key_failure: "STOP", provider_order: "", pins: "[]", max_hosted_call_amount: "" };
      const named = (prefix: string, words: Readonly<Record<string, string>>) =>
        Object.fromEntries(Object.entries(words).map(([word, value]) => [`${prefix}_${word}`, value]));
      expect(await opened.changes("a1")).toEqual([
        { kind: "policy.updated", details: { ...named("old", full), ...named("new", none) } },
        { kind: "policy.updated", details: { ...named("old", none), ...named("new", full) } },
      ]);
    });

    test("a repeated request id gives the first answer and changes nothing; with another payload it is refused", async () => {
      const request = testRequest("a1", UUID, { routing_policy: "h1" });
      const first = await put(FULL, "", "a1", request);
      await put(STOP, policyEtag(first));
      expect(await put(FULL, "", "a1", request)).toEqual(first);
      expect(await opened.directory.policyOf("a1")).toEqual({ onKeyFailure: "STOP" });
      const other = { ...request, fieldHashes: { routing_policy: "h2" } };
      await expect(put(FULL, "policy-2", "a1", other)).rejects.toMatchObject({ reason: "REQUEST_ID_CONFLICT" });
    });
  });
}
