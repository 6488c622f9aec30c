import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import type { ListedModel } from "../../src/providers/read-model-list.ts";
import { CATALOGUE } from "../../src/router/catalogue.ts";
import { DEFAULT_POLICY, type RoutingPolicy } from "../../src/router/decision.ts";
import { explainRoute } from "../../src/router/explain-route.ts";
import { type ListModelsInput, listModels, type ModelRow } from "../../src/router/list-models.ts";
import { toRoutingPolicy } from "../../src/router/policy-record.ts";
import type { AccountModelList, ModelIds, RoutableKey } from "../../src/router/ports.ts";
import { keyOf, NOW_MS, platformKeyOf } from "./routing-fixture.ts";

const SEALED = { version: 1, sealed: { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) } };
const PRICES = { inputPico: 1n, outputPico: 2n };
const FETCHED_MS = NOW_MS - 60_000;

interface Held {
  /** The account's keys and, if their provider told it, what they may use. */
  readonly keys?: readonly {
    readonly provider: Provider;
    readonly state?: RoutableKey["state"];
    readonly models?: readonly ListedModel[];
  }[];
  readonly platform?: readonly Provider[];
  readonly isPriced?: (canonicalModel: string) => boolean;
  readonly policy?: RoutingPolicy;
}

function openPicker({ keys = [], platform = [], isPriced = () => true, policy = DEFAULT_POLICY }: Held) {
  const own = keys.map(({ provider, state = "ACTIVE" }) => ({ ...keyOf(provider, { state }), ...SEALED }));
  const ours = platform.map((provider) => ({ ...platformKeyOf(provider), ...SEALED }));
  const lists: readonly AccountModelList[] = keys.map(({ provider, models }) =>
    models === undefined
      ? { provider, state: "PENDING", models: [] }
      : { provider, state: "FETCHED", fetchedMs: FETCHED_MS, models },
  );
  const ids: ModelIds = new Map(
    lists
      .filter(({ state }) => state === "FETCHED")
      .map(({ provider, models }) => [provider, new Set(models.flatMap(({ id, aliases = [] }) => [id, ...aliases]))]),
  );
  const deps = {
    keys: { keysOf: async (account: string) => (account === "platform" ? ours : own) },
    policyDirectory: { policyOf: async () => policy },
    modelLists: { warm: () => ids, of: async () => ids, describe: async () => lists },
    hostedPrices: {
      inForce: async () => (model: { readonly canonicalModel: string }) =>
        model.canonicalModel !== "" && isPriced(model.canonicalModel) ? PRICES : undefined,
    },
    catalogue: CATALOGUE,
    clock: { nowMs: () => NOW_MS },
  };
  const list = (input: Partial<ListModelsInput> = {}) =>
    listModels(deps, { account: "acct-1", filter: "", pageSize: 0, pageToken: "", ...input });
  return {
    list,
    explain: (model: string) =>
      explainRoute(deps, { account: "acct-1", agent: "", model, estimate: { inputTokens: 0n, maxOutputTokens: 0n } }),
    /** Every row, page by page. */
    async all(input: Partial<ListModelsInput> = {}): Promise<readonly ModelRow[]> {
      const rows: ModelRow[] = [];
      let pageToken = "";
      do {
        const page = await list({ ...input, pageToken });
        rows.push(...page.models);
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return rows;
    },
  };
}

const hostedIds = (...providers: readonly Provider[]) =>
  CATALOGUE.models
    .filter(({ hosting, ids }) => hosting !== undefined && providers.some((provider) => ids[provider] !== undefined))
    .map(({ id }) => id)
    .toSorted();

describe("before any key", () => {
  test("the hosted models are listed, with their prices, and nothing else", async () => {
    const rows = await openPicker({ platform: ["openrouter"] }).all();
    expect(rows.map(({ id }) => id)).toEqual(hostedIds("openrouter"));
    expect(
      rows.every(({ payer, provider, prices }) => payer === "HOSTED" && provider === "openrouter" && prices === PRICES),
    ).toBe(true);
    expect(rows.find(({ id }) => id === "anthropic/claude-opus-4.8")).toEqual({
      id: "anthropic/claude-opus-4.8",
      displayName: "Claude Opus 4.8",
      payer: "HOSTED",
      provider: "openrouter",
      upstreamModel: "anthropic/claude-opus-4.8",
      contextTokens: 1_000_000,
      prices: PRICES,
    });
  });

  test("what no platform key serves, or what has no price, cannot be had", async () => {
    expect(await openPicker({}).all()).toEqual([]);
    const rows = await openPicker({ platform: ["openai"], isPriced: (id) => id === "openai/gpt-5.5" }).all();
    expect(rows.map(({ id }) => id)).toEqual(["openai/gpt-5.5"]);
  });
});

describe("once a key exists", () => {
  test("its provider's own models are there under the ids that a route takes, paid by the account, beside the hosted ones", async () => {
    const models = [{ id: "gpt-5.5" }, { id: "gpt-7-tuned", displayName: "Tuned", contextTokens: 9 }];
    const rows = await openPicker({ keys: [{ provider: "openai", models }], platform: ["openrouter"] }).all();
    const own = rows.filter(({ fetchedMs }) => fetchedMs === FETCHED_MS);
    expect(own.map(({ id, upstreamModel }) => [id, upstreamModel])).toEqual([
      ["gpt-7-tuned", "gpt-7-tuned"],
      ["openai/gpt-5.5", "gpt-5.5"],
    ]);
    expect(own[0]).toMatchObject({ displayName: "Tuned", contextTokens: 9, payer: "BYOK", provider: "openai" });
    expect(own[0]?.prices).toBeUndefined();
    expect(own[1]).toMatchObject({ displayName: "GPT-5.5", payer: "BYOK", prices: PRICES });
    expect(rows.find(({ id }) => id === "anthropic/claude-opus-4.8")).toMatchObject({ payer: "HOSTED" });
  });

  test("a list that is not fetched yet is simply not there, and the answer says so", async () => {
    const { models, lists } = await openPicker({ keys: [{ provider: "groq" }] }).list();
    expect(models).toEqual([]);
    expect(lists).toEqual([{ provider: "groq", state: "PENDING", models: [] }]);
  });

  test("a model whose key cannot serve stays in the list and says how its key is", async () => {
    const keys = [{ provider: "groq", state: "DEAD", models: [{ id: "llama-9-instant" }] }] as const;
    expect(await openPicker({ keys }).all()).toEqual([
      {
        id: "llama-9-instant",
        displayName: "llama-9-instant",
        payer: "BYOK",
        provider: "groq",
        upstreamModel: "llama-9-instant",
        keyState: "DEAD",
        fetchedMs: FETCHED_MS,
      },
    ]);
  });

  test("a maker's new model that OpenRouter lists too stands there once, under its author", async () => {
    const keys = [
      { provider: "xai", models: [{ id: "grok-99" }] },
      { provider: "openrouter", models: [{ id: "x-ai/grok-99" }, { id: "x-ai/other" }] },
    ] as const;
    const rows = await openPicker({ keys }).all();
    expect(rows.map(({ id, provider, upstreamModel }) => [id, provider, upstreamModel])).toEqual([
      ["x-ai/grok-99", "xai", "grok-99"],
      ["x-ai/other", "openrouter", "x-ai/other"],
    ]);
  });
});

describe("filters and pages", () => {
  const keys = [{ provider: "openai", models: [{ id: "gpt-5.5" }, { id: "ft:gpt-4o:org::id" }] }] as const;
  const picker = openPicker({ keys, platform: ["openrouter"] });

  test("texts, provider and payer choose rows", async () => {
    const idsOf = async (filter: string) => (await picker.all({ filter })).map(({ id }) => id);
    expect(await idsOf("GPT-5.5 payer = BYOK")).toEqual(["openai/gpt-5.5", "openai/gpt-5.5-pro"]);
    expect(await idsOf('"ft:gpt-4o"')).toEqual(["ft:gpt-4o:org::id"]);
    expect(await idsOf("provider = openrouter payer = BYOK")).toEqual([]);
    expect(await idsOf('"claude opus 4.8"')).toContain("anthropic/claude-opus-4.8");
    expect((await idsOf("payer = HOSTED")).length).toBeGreaterThan(50);
  });

  test("pages of any size together are the whole list, in order, each row once", async () => {
    const whole = await picker.all({ pageSize: 500 });
    for (const pageSize of [1, 7, 0]) expect(await picker.all({ pageSize })).toEqual(whole);
    expect(whole.map(({ id }) => id)).toEqual(whole.map(({ id }) => id).toSorted());
    expect(new Set(whole.map(({ id }) => id)).size).toBe(whole.length);
  });

  test("a page decides about two thousand models at most, and may be empty before the end", async () => {
    const models = Array.from({ length: 4_500 }, (_none, index) => ({ id: `m-${String(index).padStart(4, "0")}` }));
    const many = openPicker({ keys: [{ provider: "groq", models }] });
    const first = await many.list({ filter: "payer = HOSTED" });
    expect([first.models.length, first.nextPageToken === ""]).toEqual([0, false]);
    expect(await many.all({ filter: "payer = HOSTED" })).toEqual([]);
    expect(await many.all({ pageSize: 500 })).toHaveLength(4_500);
  });

  test("every wrong field is named at once, and a token is good for its own account alone", async () => {
    const { nextPageToken } = await picker.list({ pageSize: 1 });
    await expect(picker.list({ account: "acct-2", pageToken: nextPageToken })).rejects.toMatchObject({
      refusal: { violations: [{ field: "page_token" }] },
    });
    await expect(
      picker.list({ account: "", filter: "payer = ME", pageSize: -1, pageToken: "nonsense" }),
    ).rejects.toMatchObject({
      refusal: {
        violations: [{ field: "account" }, { field: "filter" }, { field: "page_size" }, { field: "page_token" }],
      },
    });
    await expect(picker.list({ account: "platform" })).rejects.toMatchObject({ reason: "FIELDS_INVALID" });
  });
});

const SOME_IDS = CATALOGUE.models.flatMap(({ id, ids }) => [id, ...Object.values(ids)]);
const listedModel: fc.Arbitrary<ListedModel> = fc.record(
  {
    id: fc.oneof(
      fc.constantFrom(...SOME_IDS),
      fc.constantFrom(
        "gpt-99",
        "openai/gpt-99",
        "grok-99",
        "x-ai/grok-99",
        "openai::gpt-99",
        "groq::x",
        "::",
        "openrouter/auto",
      ),
      fc.string({ unit: fc.constantFrom(..."abAB9/:.-~@"), minLength: 1, maxLength: 12 }),
    ),
    displayName: fc.constant("A name"),
    contextTokens: fc.nat(),
    aliases: fc.array(fc.constantFrom("gpt-99", "latest", ...SOME_IDS.slice(0, 5)), { maxLength: 2 }),
  },
  { requiredKeys: ["id"] },
);
const heldKeys = fc.uniqueArray(
  fc.record(
    {
      provider: fc.constantFrom(...PROVIDERS),
      state: fc.constantFrom("ACTIVE", "UNVERIFIED", "RATE_LIMITED", "EXHAUSTED", "BLOCKED", "DEAD", "UNREADABLE"),
      models: fc.array(listedModel, { maxLength: 8 }),
    },
    { requiredKeys: ["provider"] },
  ),
  { selector: ({ provider }) => provider },
);

const policies = fc
  .record({
    providerOrder: fc.shuffledSubarray([...PROVIDERS]),
    pins: fc.uniqueArray(fc.record({ model: fc.constantFrom(...SOME_IDS), provider: fc.constantFrom(...PROVIDERS) }), {
      selector: ({ model }) => model,
      maxLength: 3,
    }),
    onKeyFailure: fc.constantFrom("STOP", "OTHER_KEYS", "CREDITS"),
  })
  .map(toRoutingPolicy);

test("whatever is listed, a route goes the way that its row says: same payer, provider and upstream id, or refused for the state that the row tells", async () => {
  await fc.assert(
    fc.asyncProperty(heldKeys, fc.subarray([...PROVIDERS]), policies, async (keys, platform, policy) => {
      const picker = openPicker({ keys: keys as Held["keys"] & {}, platform, policy });
      for (const row of await picker.all({ pageSize: 500 })) {
        const { keyState, payer, provider, upstreamModel } = row;
        const explained = await picker.explain(row.id);
        if (keyState === undefined) {
          expect(explained).toMatchObject({ kind: "route", payer, provider, upstreamModel });
          continue;
        }
        expect(explained).toMatchObject({
          kind: "refused",
          refusal: payer === "BYOK" ? `KEY_${keyState}` : "PROVIDER_UNREACHABLE",
          candidates: expect.arrayContaining([
            expect.objectContaining({ payer, provider, upstreamModel, reason: `KEY_${keyState}` }),
          ]),
        });
      }
    }),
    { numRuns: 60 },
  );
});

test("whatever a connected provider lists can be picked: what its list names stands in the rows, or a row leads to it", async () => {
  await fc.assert(
    fc.asyncProperty(heldKeys, async (keys) => {
      const picker = openPicker({ keys: keys as Held["keys"] & {} });
      const ways = new Set((await picker.all({ pageSize: 500 })).map((row) => `${row.provider} ${row.upstreamModel}`));
      for (const { models = [] } of keys as Held["keys"] & {}) {
        for (const { id } of models) {
          const explained = await picker.explain(id);
          if (explained.kind === "route") expect(ways).toContain(`${explained.provider} ${explained.upstreamModel}`);
        }
      }
    }),
    { numRuns: 60 },
  );
});
