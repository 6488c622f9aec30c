import fc from "fast-check";
import { expect, test } from "vitest";
import { PROVIDERS } from "../../src/base/provider.ts";
import { CATALOGUE } from "../../src/router/catalogue.ts";
import type { Candidate, Decision, KeyStanding, RoutingPolicy } from "../../src/router/decision.ts";
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
const policies: fc.Arbitrary<RoutingPolicy> = fc
  .constantFrom("STOP", "OTHER_KEYS", "CREDITS")
  .map((onKeyFailure) => ({ onKeyFailure }) as RoutingPolicy);
const pins = fc.option(fc.constantFrom(...PROVIDERS), { nil: undefined, freq: 4 });

function candidatesOf(decision: Decision<KeyStanding>): readonly Candidate[] {
  return decision.kind === "needs-platform-keys" ? [] : decision.candidates;
}

test("the same input always gives the same decision, in whatever order the keys come", () => {
  fc.assert(
    fc.property(names, keySets, platformSets, policies, (name, keys, platformKeys, policy) => {
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
    fc.property(names, keySets, platformSets, policies, pins, (name, keys, platformKeys, policy, pin) => {
      if (pin !== undefined && name.includes("::")) return;
      const changes = { platformKeys, policy, pin };
      const brief = decideOn(name, keys, { ...changes, everyCandidate: false });
      expect(inWords(brief)).toBe(inWords(decideOn(name, keys, changes)));
    }),
  );
});

test("a key of a provider that does not serve the model never changes the route", () => {
  fc.assert(
    fc.property(names, keySets, platformSets, policies, (name, keys, platformKeys, policy) => {
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
    fc.property(names, keySets, platformSets, policies, pins, (name, keys, platformKeys, policy, pin) => {
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
    fc.property(names, keySets, policies, (name, keys, policy) => {
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
    fc.property(names, keySets, policies, fc.nat(), (name, keys, policy, pick) => {
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

test("the id that is sent is the name itself, a catalogue id of the same model, or the name without its first party", () => {
  fc.assert(
    fc.property(names, keySets, policies, pins, (name, keys, policy, pin) => {
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
