import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError } from "../../src/base/errors.ts";
import type { Caller } from "../../src/identity/roles.ts";
import type { WantedChoices } from "../../src/router/check-policy.ts";
import { getRoutingPolicy } from "../../src/router/get-routing-policy.ts";
import { policyEtag } from "../../src/router/policy-record.ts";
import { type UpdateRoutingPolicyInput, updateRoutingPolicy } from "../../src/router/update-routing-policy.ts";
import { createMemoryPolicyStore } from "../support/memory-policy-store.ts";

const NOW_MS = 1_790_000_000_000;
const UUID = "0190a3f0-0000-7000-8000-000000000011";
const SETTINGS: Caller = { spiffeId: "spiffe://dev.plori.internal/settings/dev", role: "settings", name: "dev" };
const NOTHING: WantedChoices = {
  providerOrder: [],
  pins: [],
  onKeyFailure: "unspecified",
  maxHostedCallNano: undefined,
};
const FULL: WantedChoices = {
  providerOrder: ["groq", "openrouter"],
  pins: [{ model: "openai/gpt-5.5", provider: "openrouter" }],
  onKeyFailure: "CREDITS",
  maxHostedCallNano: 5n,
};

function openSettings() {
  const memory = createMemoryPolicyStore();
  const deps = { policies: memory.store, clock: manualClock(NOW_MS) };
  return {
    ...memory,
    update: (changes: Partial<UpdateRoutingPolicyInput> = {}) =>
      updateRoutingPolicy(
        deps,
        { account: "a1", wanted: FULL, name: "", etag: "", mask: [], requestId: "", actor: "user-7", ...changes },
        SETTINGS,
      ),
    get: (account = "a1") => getRoutingPolicy(memory.store, account),
  };
}

async function violations(attempt: Promise<unknown>): Promise<readonly string[]> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PloriError)) throw new Error("expected a refusal");
  expect(error.reason).toBe("FIELDS_INVALID");
  return (error.refusal.violations ?? []).map(({ field }) => field).sort();
}

test("a policy is replaced as a whole, and who changed it is on record", async () => {
  const { update, get, events } = openSettings();
  const first = await update();
  expect(first).toMatchObject({ account: "a1", revision: 1, ...FULL });
  expect(await update({ wanted: NOTHING, etag: policyEtag(first), name: "accounts/a1/routingPolicy" })).toEqual({
    account: "a1",
    revision: 2,
    providerOrder: [],
    pins: [],
    onKeyFailure: "STOP",
    updateMs: NOW_MS,
  });
  expect(await get("a2")).toBeUndefined();
  expect(events[0]).toMatchObject({
    kind: "policy.updated",
    caller: SETTINGS.spiffeId,
    actor: "user-7",
    account: "a1",
    subject: "accounts/a1/routingPolicy",
  });
});

test("a mask replaces what it names and leaves the rest, also an absent amount", async () => {
  const { update } = openSettings();
  let last = await update();
  const masked = async (mask: readonly string[], wanted = NOTHING) => {
    last = await update({ wanted, mask, etag: policyEtag(last) });
    return last;
  };
  expect(await masked(["on_key_failure"])).toMatchObject({ ...FULL, onKeyFailure: "STOP" });
  expect((await masked(["max_hosted_call_amount"])).maxHostedCallNano).toBeUndefined();
  expect(last).toMatchObject({ providerOrder: FULL.providerOrder, pins: FULL.pins });
  expect(await masked(["pins", "provider_order"])).toMatchObject({ providerOrder: [], pins: [] });
  expect(await masked(["max_hosted_call_amount"], FULL)).toMatchObject({ pins: [], maxHostedCallNano: 5n });
  expect(await masked(["*"], FULL)).toMatchObject(FULL);
  // What is not named is not looked at either.
  const wrong = { ...NOTHING, onKeyFailure: "OTHER_KEYS", maxHostedCallNano: "invalid" } as const;
  expect(await masked(["on_key_failure"], wrong)).toMatchObject({ ...FULL, onKeyFailure: "OTHER_KEYS" });
});

test("a mask changes the default of an account that has set nothing", async () => {
  const { update } = openSettings();
  expect(await update({ mask: ["pins"] })).toMatchObject({ providerOrder: [], pins: FULL.pins, onKeyFailure: "STOP" });
});

test("an update of a policy that changed since it was read is refused and changes nothing", async () => {
  const { update, get } = openSettings();
  const first = await update();
  for (const etag of ["", "policy-0", "policy-2"])
    await expect(update({ wanted: NOTHING, etag })).rejects.toMatchObject({ reason: "ETAG_MISMATCH" });
  expect(await get()).toEqual(first);
});

test("a repeated request gets its first answer, although the policy moved on; another payload is refused by its fields", async () => {
  const { update } = openSettings();
  const first = await update({ requestId: UUID });
  await update({ wanted: NOTHING, etag: policyEtag(first) });
  expect(await update({ requestId: UUID.toUpperCase() })).toEqual(first);
  const others: [Partial<UpdateRoutingPolicyInput>, string][] = [
    [{ wanted: NOTHING }, "routing_policy"],
    [{ etag: "policy-2" }, "routing_policy"],
    [{ wanted: { ...FULL, maxHostedCallNano: undefined } }, "routing_policy"],
    [{ actor: "user-8" }, "actor"],
    [{ mask: ["provider_order", "pins", "on_key_failure"] }, "routing_policy,update_mask"],
  ];
  for (const [changes, differing] of others) {
    const attempt = update({ requestId: UUID, ...changes });
    const refused = { reason: "REQUEST_ID_CONFLICT", refusal: { metadata: { differing_fields: differing } } };
    await expect(attempt).rejects.toMatchObject(refused);
  }
});

test("everything that is wrong is named at once, and nothing is stored", async () => {
  const { update, get } = openSettings();
  const wanted: WantedChoices = {
    providerOrder: ["openai", "anthropic", "openai", undefined, "unknown"],
    pins: [
      { model: "", provider: "openai" },
      { model: "m", provider: "anthropic" },
      { model: "m", provider: undefined },
      { model: "n", provider: "openai" },
      { model: "n", provider: "groq" },
      { model: "openai::gpt-5.5", provider: "groq" },
      { model: "groq::", provider: "groq" },
      { model: "x".repeat(257), provider: "xai" },
      { model: "line\nbreak", provider: "xai" },
    ],
    onKeyFailure: "unknown",
    maxHostedCallNano: 0n,
  };
  const order = "routing_policy.provider_order";
  const pin = (index: number, field: string) => `routing_policy.pins[${index}].${field}`;
  const fields = await violations(
    update({
      account: "platform",
      wanted,
      name: "accounts/a2/routingPolicy",
      etag: "x".repeat(65),
      requestId: "no",
      actor: "a".repeat(257),
    }),
  );
  expect(fields).toEqual(
    [
      "account",
      "actor",
      "request_id",
      `${order}[1]`,
      `${order}[2]`,
      `${order}[3]`,
      `${order}[4]`,
      pin(0, "model"),
      pin(1, "provider"),
      pin(2, "provider"),
      pin(4, "model"),
      pin(5, "provider"),
      pin(6, "model"),
      pin(7, "model"),
      pin(8, "model"),
      "routing_policy.etag",
      "routing_policy.max_hosted_call_amount",
      "routing_policy.name",
      "routing_policy.on_key_failure",
    ].sort(),
  );
  expect(await violations(update({ wanted: undefined, mask: ["etag"] }))).toEqual(["routing_policy", "update_mask"]);
  for (const maxHostedCallNano of [-1n, 2n ** 63n, "invalid"] as const)
    expect(await violations(update({ wanted: { ...FULL, maxHostedCallNano } }))).toEqual([
      "routing_policy.max_hosted_call_amount",
    ]);
  expect(await get()).toBeUndefined();
});

test("a hundred pins are stored, one more is refused; a qualified model may be pinned to its own provider", async () => {
  const { update } = openSettings();
  const pins = Array.from({ length: 101 }, (_none, index) => ({ model: `m-${index}`, provider: "xai" as const }));
  expect(await violations(update({ wanted: { ...FULL, pins } }))).toEqual(["routing_policy.pins"]);
  const first = await update({ wanted: { ...FULL, pins: pins.slice(0, 100) } });
  expect(first.pins).toHaveLength(100);
  const qualified = [{ model: "xai::grok-9", provider: "xai" as const }];
  expect(await update({ wanted: { ...FULL, pins: qualified }, etag: policyEtag(first) })).toMatchObject({
    pins: qualified,
  });
});
