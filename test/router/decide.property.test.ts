import fc from "fast-check";
import { expect, test } from "vitest";
import { PROVIDERS } from "../../src/base/provider.ts";
import { CATALOGUE } from "../../src/router/catalogue.ts";
import type { Candidate, Decision, KeyStanding, RoutingPolicy } from "../../src/router/decision.ts";
import { toRoutingPolicy } from "../../src/router/policy-record.ts";
import { decideOn, EVERY_PLATFORM_KEY, inWords, keyOf, NOW_MS, platformKeyOf } from "./routing-fixture.ts";

const STATES = ["ACTIVE", "UNVERIFIED", "RATE_LIMITED", "EXHAUSTED", "BLOCKED", "DEAD", "UNREADABLE"] as const;
const KNOWN_IDS = CATALOGUE.models.flatMap(({ id, ids }) => [id, ...Object.values(ids)]);

const names = fc.oneof(
  fc.constantFrom(...KNOWN_IDS),
  fc.constantFrom(
    "gpt-9",
    "openai/gpt-9",
    "x-ai/grok-9",
    "grok-9",
    "a/B/c",
    "openai/gpt-5.5:free",
    "deepseek-v9",
    "llama-3-instant",
  ),
  fc.tuple(fc.constantFrom(...PROVIDERS), fc.constantFrom(...KNOWN_IDS)).map(([slug, id]) => `${slug}::${id}`),
  fc.stringMatching(/^[A-Za-z0-9./:@~_-]{1,24}$/),
);
const keySets = fc
  .record(Object.fromEntries(PROVIDERS.map((p) => [p, fc.option(fc.tuple(fc.constantFrom(...STATES), fc.boolean()))])))
  .map((states) =>
    PROVIDERS.flatMap((provider) => {
      const state = states[provider];
      if (state === null || state === undefined) return [];
      return [keyOf(provider, { state: state[0], stateUntilMs: state[1] ? NOW_MS - 1 : NOW_MS + 1 })];
    }),
  );
const platformSets = fc.subarray([...PROVIDERS]).map((chosen) => chosen.map((provider) => platformKeyOf(provider)));
const onKeyFailures = fc.constantFrom("STOP" as const, "OTHER_KEYS" as const, "CREDITS" as const);
/** Policies that leave the order to us and pin nothing. */
const plainPolicies: fc.Arbitrary<RoutingPolicy> = onKeyFailures.map((onKeyFailure) => ({ onKeyFailure }));
/** Any policy. Half of the pins are of models that the test asks about. */
const policies: fc.Arbitrary<RoutingPolicy> = fc
  .record({
    onKeyFailure: onKeyFailures,
    providerOrder: fc.shuffledSubarray([...PROVIDERS]),
    pins: fc.array(fc.record({ model: names, provider: fc.constantFrom(...PROVIDERS) }), { maxLength: 4 }),
  })
  .map((choices) => toRoutingPolicy(choices));
/** A policy that pins this very name, among others. */
const policiesFor = (name: string): fc.Arbitrary<RoutingPolicy> =>
  fc.tuple(policies, fc.option(fc.constantFrom(...PROVIDERS), { nil: undefined })).map(([policy, provider]) => {
    if (provider === undefined) return policy;
    return { ...policy, pins: new Map(policy.pins).set(name, provider) };
  });
const namesAndPolicies = names.chain((name) => fc.tuple(fc.constant(name), policiesFor(name)));
const pins = fc.option(fc.constantFrom(...PROVIDERS), { nil: undefined, freq: 4 });

function candidatesOf(decision: Decision<KeyStanding>): readonly Candidate[] {
  return decision.kind === "needs-platform-keys" ? [] : decision.candidates;
}

test("the same input always gives the same decision, in whatever order the keys come", () => {
  fc.assert(
    fc.property(namesAndPolicies, keySets, platformSets, ([name, policy], keys, platformKeys) => {
      const changes = { platformKeys, policy };
      const once = decideOn(name, keys, changes);
      expect(decideOn(name, keys, changes)).toEqual(once);
      expect(decideOn(name, [...keys].reverse(), { ...changes, platformKeys: [...platformKeys].reverse() })).toEqual(
        once,
      );
    }),
  );
});

test("leaving out the candidates after the chosen one never changes the decision", () => {
  fc.assert(
    fc.property(namesAndPolicies, keySets, platformSets, pins, ([name, policy], keys, platformKeys, pin) => {
      if (pin !== undefined && name.includes("::")) return;
      const changes = { platformKeys, policy, pin };
      const brief = decideOn(name, keys, { ...changes, everyCandidate: false });
      expect(inWords(brief)).toBe(inWords(decideOn(name, keys, changes)));
    }),
  );
});

test("a key of a provider that does not serve the model never changes the route", () => {
  fc.assert(
    fc.property(namesAndPolicies, keySets, platformSets, ([name, policy], keys, platformKeys) => {
      const decision = decideOn(name, keys, { platformKeys, policy });
      const unrelated = new Set(
        candidatesOf(decision).flatMap((c) => (c.reason === "MODEL_NOT_SERVED" && c.provider ? [c.provider] : [])),
      );
      const without = keys.filter(({ provider }) => !unrelated.has(provider));
      expect(inWords(decideOn(name, without, { platformKeys, policy }))).toBe(inWords(decision));
    }),
  );
});

test("a route goes only to a provider whose key the payer holds, and that key can serve", () => {
  fc.assert(
    fc.property(namesAndPolicies, keySets, platformSets, pins, ([name, policy], keys, platformKeys, pin) => {
      if (pin !== undefined && name.includes("::")) return;
      const decision = decideOn(name, keys, { platformKeys, policy, pin });
      if (decision.kind !== "route") return;
      expect(decision.payer === "BYOK" ? keys : platformKeys).toContain(decision.key);
      expect(decision.key.provider).toBe(decision.provider);
      expect(["DEAD", "BLOCKED", "UNREADABLE"]).not.toContain(decision.key.state);
      expect(decision.upstreamModel).not.toBe("");
      if (decision.payer === "HOSTED") {
        expect(pin).toBeUndefined();
        expect(decision.model?.hosting).toBeDefined();
        expect(decision.model?.ids[decision.provider]).toBe(decision.upstreamModel);
      }
    }),
  );
});

test("credits pay only when no own key serves the model, or when the policy says so; each key's reason is told", () => {
  fc.assert(
    fc.property(namesAndPolicies, keySets, ([name, policy], keys) => {
      const decision = decideOn(name, keys, { platformKeys: EVERY_PLATFORM_KEY, policy });
      if (decision.kind !== "route" || decision.payer !== "HOSTED") return;
      for (const key of keys) {
        const candidate = decision.candidates.find((c) => c.payer === "BYOK" && c.provider === key.provider);
        expect(candidate?.verdict).toBe("SKIPPED");
        if (candidate?.reason !== "MODEL_NOT_SERVED") expect(policy.onKeyFailure).toBe("CREDITS");
      }
    }),
  );
});

test("removing a key never makes the call dearer unless that key was the one that served, or its removal lifts a refusal", () => {
  fc.assert(
    fc.property(namesAndPolicies, keySets, fc.nat(), ([name, policy], keys, pick) => {
      const removed = keys[pick % Math.max(keys.length, 1)];
      if (removed === undefined) return;
      const changes = { platformKeys: EVERY_PLATFORM_KEY, policy };
      const before = decideOn(name, keys, changes);
      const after = decideOn(
        name,
        keys.filter((key) => key !== removed),
        changes,
      );
      if (before.kind !== "route" || before.payer !== "BYOK" || after.kind !== "route") return;
      if (after.payer === "HOSTED") expect(before.key).toBe(removed);
    }),
  );
});

test("when credits pay, the reply says of every provider that serves the model why no key of the account's did", () => {
  fc.assert(
    fc.property(names, keySets, policies, (name, keys, policy) => {
      const decision = decideOn(name, keys, { platformKeys: EVERY_PLATFORM_KEY, policy });
      if (decision.kind !== "route" || decision.payer !== "HOSTED") return;
      for (const provider of Object.keys(decision.model?.ids ?? {})) {
        const held = keys.some((key) => key.provider === provider);
        const told = decision.candidates.find((c) => c.payer === "BYOK" && c.provider === provider);
        expect(told?.reason).toMatch(held ? /^KEY_/ : /^NO_KEY$/);
      }
    }),
  );
});

test("whatever the policy, what a removed key leaves behind pays dearer only with the cause told in the reply", () => {
  fc.assert(
    fc.property(namesAndPolicies, keySets, fc.nat(), ([name, policy], keys, pick) => {
      const removed = keys[pick % Math.max(keys.length, 1)];
      if (removed === undefined) return;
      const changes = { platformKeys: EVERY_PLATFORM_KEY, policy };
      const left = keys.filter((key) => key !== removed);
      const before = decideOn(name, keys, changes);
      const after = decideOn(name, left, changes);
      if (before.kind !== "route" || after.kind !== "route" || before.payer === after.payer) return;
      if (after.payer !== "HOSTED") return;
      const told = after.candidates.find((c) => c.payer === "BYOK" && c.provider === removed.provider);
      expect(["NO_KEY", "POLICY_PIN_WITHOUT_KEY"]).toContain(told?.reason);
    }),
  );
});

test("a policy's pin is followed whenever its key can serve, and told whenever it is not followed", () => {
  fc.assert(
    fc.property(names, fc.constantFrom(...PROVIDERS), keySets, plainPolicies, (name, provider, keys, plain) => {
      if (name.includes("::")) return;
      const policy = { ...plain, pins: new Map([[name, provider]]) };
      const decision = decideOn(name, keys, { platformKeys: EVERY_PLATFORM_KEY, policy });
      const told = candidatesOf(decision)[0];
      expect([told?.payer, told?.provider]).toEqual(["BYOK", provider]);
      if (told?.verdict === "CHOSEN") {
        expect(told.reason).toBe("PINNED_BY_POLICY");
        expect(decision).toMatchObject({ kind: "route", payer: "BYOK", provider, reason: "PINNED_BY_POLICY" });
      } else {
        const key = keys.find((held) => held.provider === provider);
        if (key === undefined) expect(told).toMatchObject({ verdict: "SKIPPED", reason: "POLICY_PIN_WITHOUT_KEY" });
        else if (key.state === "ACTIVE") expect(told?.reason).toBe("MODEL_NOT_SERVED");
      }
    }),
  );
});

test("a policy without order and pins decides as ours, and pins of other models change nothing", () => {
  fc.assert(
    fc.property(names, keySets, platformSets, policies, (name, keys, platformKeys, policy) => {
      const { onKeyFailure } = policy;
      const plain = decideOn(name, keys, { platformKeys, policy: { onKeyFailure } });
      const empty = toRoutingPolicy({ providerOrder: [], pins: [], onKeyFailure });
      expect(decideOn(name, keys, { platformKeys, policy: empty })).toEqual(plain);
      const foreign = { onKeyFailure, pins: new Map([["another/model-of-nobody", "groq" as const]]) };
      expect(decideOn(name, keys, { platformKeys, policy: foreign })).toEqual(plain);
    }),
  );
});

test("the order chooses among keys that serve the model: never a key that does not, and never the payer", () => {
  const live = fc.subarray([...PROVIDERS]).map((chosen) => chosen.map((provider) => keyOf(provider)));
  fc.assert(
    fc.property(names, live, fc.shuffledSubarray([...PROVIDERS]), (name, keys, providerOrder) => {
      const policy = toRoutingPolicy({ providerOrder, pins: [], onKeyFailure: "STOP" });
      const platformKeys = EVERY_PLATFORM_KEY;
      const plain = decideOn(name, keys, { platformKeys });
      const ordered = decideOn(name, keys, { platformKeys, policy });
      if (ordered.kind !== "route" || plain.kind !== "route") {
        expect(inWords(ordered)).toBe(inWords(plain));
        return;
      }
      expect(ordered.payer).toBe(plain.payer);
      const serving = plain.candidates.filter(({ payer, verdict }) => payer === "BYOK" && verdict !== "SKIPPED");
      if (ordered.payer === "BYOK") expect(serving.map(({ provider }) => provider)).toContain(ordered.provider);
    }),
  );
});

test("the id that is sent is the name itself, a catalogue id of the same model, or the name without its first party", () => {
  fc.assert(
    fc.property(namesAndPolicies, keySets, pins, ([name, policy], keys, pin) => {
      if (pin !== undefined && name.includes("::")) return;
      const decision = decideOn(name, keys, { policy, pin });
      if (decision.kind !== "route") return;
      const catalogued = Object.values(decision.model?.ids ?? {});
      const bare = name.replace(/^(?:openai|x-ai|deepseek)\//, "");
      const unqualified = name.replace(/^[a-z]+::/, "");
      expect([name, bare, unqualified, ...catalogued]).toContain(decision.upstreamModel);
    }),
  );
});
