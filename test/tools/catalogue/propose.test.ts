import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { CatalogueModel } from "../../../src/router/catalogue/catalogue-model.ts";
import { createCatalogue, MODELS_FILE } from "../../../src/router/catalogue.ts";
import { describeProposal } from "./describe.ts";
import { readOffers } from "./offers.ts";
import { applyChanges, proposeUpdate } from "./propose.ts";

const FIXTURE = join(import.meta.dirname, "fixture.json");
const MAIN = join(import.meta.dirname, "main.ts");
const OFFERS = readOffers(JSON.parse(readFileSync(FIXTURE, "utf8")));

const ONE: CatalogueModel = {
  id: "acme/one",
  displayName: "One",
  ids: { openrouter: "acme/one", together: "Acme/One" },
  hosting: { contextTokens: 100_000, maxOutputTokens: 64_000, listPrice: { input: 2, output: 4 } },
};

/** What the fixture would change in a catalogue of these models. */
function propose(...models: readonly CatalogueModel[]) {
  const catalogue = createCatalogue(models);
  const proposal = proposeUpdate(catalogue, OFFERS);
  const changeOf = (id: string) => proposal.changes.find((change) => change.id === id);
  return { catalogue, proposal, changeOf };
}

describe("new models", () => {
  const { catalogue, proposal, changeOf } = propose();

  test("are those that hold chats and have a price, under OpenRouter's spelling, and those that only users' keys serve", () => {
    expect(proposal.changes.map(({ id, after }) => [id, after?.hosting === undefined])).toEqual([
      ["acme/long", false],
      ["acme/one", false],
      ["acme/search-pro", true],
      ["openai/gpt-next", false],
    ]);
  });

  test("are sold at their maker's price, or at the dearest host's, with the smallest sizes", () => {
    expect(changeOf("openai/gpt-next")?.after).toEqual({
      id: "openai/gpt-next",
      displayName: "GPT Next",
      ids: { openrouter: "openai/gpt-next", openai: "gpt-next" },
      hosting: { contextTokens: 100, maxOutputTokens: 40, listPrice: { input: 3, output: 12 } },
    });
    // Together asks the price of input for what is read from the cache: that is the dearest.
    expect(changeOf("acme/one")?.after).toEqual({ ...ONE });
  });

  test("keep the price of long calls, and sell reasoning as output at whichever is dearer", () => {
    expect(changeOf("acme/long")?.after?.hosting).toEqual({
      contextTokens: 1_000_000,
      maxOutputTokens: 1_000_000,
      listPrice: { input: 2, output: 9, long: { input: 4, output: 12, cacheRead: 0.4, aboveInputTokens: 200_000 } },
    });
  });

  test("once they are in, nothing is proposed any more", () => {
    const models = applyChanges(catalogue, proposal, false);
    expect(models).toHaveLength(4);
    expect(proposeUpdate(createCatalogue(models), OFFERS).changes).toEqual([]);
  });

  test("every model that is left out is told with its reason", () => {
    expect(Object.fromEntries(OFFERS.leftOut.map(({ id, why }) => [id, why]))).toEqual({
      "acme/one:free": "is a variant of another model",
      "acme/gift": "is free",
      "acme/search-pro": "charges for more than tokens",
      "acme/paint": "answers with more than text",
      "~acme/latest": "differs from call to call",
      "whisper-9": "holds no chats",
    });
  });
});

describe("known models", () => {
  const priced = (input: number, output: number): CatalogueModel => ({
    ...ONE,
    hosting: { contextTokens: 100_000, maxOutputTokens: 64_000, listPrice: { input, output } },
  });

  test("what differs is told old → new, and a small step needs no confirmation", () => {
    expect(propose(priced(1.5, 4)).changeOf("acme/one")).toMatchObject({
      differences: ["input 1.5 → 2"],
      guards: [],
    });
  });

  test.each([
    [0.9, 4, "input jumps from 0.9 to 2"],
    [4.1, 4, "input jumps from 4.1 to 2"],
    [2, 8.5, "output jumps from 8.5 to 4"],
  ])(
    "a price that moved from %s in, %s out by more than a factor of two must be confirmed: %s",
    (input, output, guard) => {
      const { catalogue, proposal, changeOf } = propose(priced(input, output));
      expect(changeOf("acme/one")?.guards).toContain(guard);
      expect(applyChanges(catalogue, proposal, false)).toContainEqual(priced(input, output));
      expect(applyChanges(catalogue, proposal, true)).toContainEqual(ONE);
    },
  );

  test("one that nobody serves any more, or that a provider lost, must be confirmed before it goes", () => {
    const gone = { ...ONE, id: "acme/gone", ids: { openrouter: "acme/gone" } };
    const { catalogue, proposal, changeOf } = propose(gone, { ...ONE, ids: { ...ONE.ids, openai: "one" } });
    expect(changeOf("acme/gone")).toMatchObject({
      differences: ["nobody serves it"],
      guards: ["openrouter does not serve acme/gone any more", "it is still priced"],
    });
    expect(changeOf("acme/gone")?.after).toBeUndefined();
    expect(changeOf("acme/one")).toMatchObject({ after: ONE, guards: ["openai does not serve one any more"] });
    expect(applyChanges(catalogue, proposal, false).map(({ id }) => id)).toContain("acme/gone");
    expect(applyChanges(catalogue, proposal, true).map(({ id }) => id)).not.toContain("acme/gone");
  });

  test("a provider that the file does not tell of keeps its ids", () => {
    expect(propose({ ...ONE, ids: { ...ONE.ids, groq: "one" } }).changeOf("acme/one")).toBeUndefined();
  });

  test("one that became free must be confirmed before it is not sold any more", () => {
    const gift = { ...ONE, id: "acme/gift", ids: { openrouter: "acme/gift" } };
    const change = propose(gift).changeOf("acme/gift");
    expect(change?.guards).toEqual(["it would not be sold any more: is free"]);
    expect(change?.after?.hosting).toBeUndefined();
  });

  test("one that its host will end is sold on until it does", () => {
    const ending = { ...ONE, id: "acme/ending", ids: { together: "Acme/Ending" } };
    expect(propose(ending).changeOf("acme/ending")?.after?.hosting?.listPrice).toEqual({ input: 1, output: 1 });
  });
});

test.each([
  [-1, "its price -1 is none"],
  ["2", "its price 2 is none"],
  [1_001, "its price 1001 is beyond anything real"],
  [0.0000000001, "its price 1e-10 has more places than money"],
])("a price of %s is never taken", (input, why) => {
  const model = { cost: { input, output: 1 }, limit: { context: 10, output: 10 } };
  const offers = readOffers({ groq: { models: { m: model } } });
  expect(offers.leftOut).toMatchObject([{ id: "m", why }]);
  const known = { ...ONE, id: "m", ids: { groq: "m" } };
  const [change] = proposeUpdate(createCatalogue([known]), offers).changes;
  expect(change?.guards).toEqual([`it would not be sold any more: ${why}`]);
});

test("a file about something else is refused", () => {
  expect(() => readOffers({ hello: "world" })).toThrow("no provider of ours");
});

test("the proposal is text to review, a line a change", () => {
  const text = describeProposal(propose({ ...ONE, displayName: "One" }).proposal);
  expect(text).toContain("+ openai/gpt-next: GPT Next, 3 in, 12 out, at openrouter, openai\n");
  expect(text).toContain("+ acme/search-pro: Search Pro, not sold, at openrouter\n");
  expect(text).toContain("3 new, 0 gone, 0 changed; 0 must be confirmed. 6 models of our providers are left out.\n");
});

test("the command writes nothing unless told to, and its exit code says that something must be confirmed", () => {
  const before = readFileSync(MODELS_FILE, "utf8");
  const { status, stdout } = spawnSync(process.execPath, [MAIN, FIXTURE], { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stdout).toContain("  ! it is still priced\n");
  expect(readFileSync(MODELS_FILE, "utf8")).toBe(before);
  expect(spawnSync(process.execPath, [MAIN]).status).toBe(2);
  expect(spawnSync(process.execPath, [MAIN, "/no/such/file.json"]).status).toBe(2);
});
