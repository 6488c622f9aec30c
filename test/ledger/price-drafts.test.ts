import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock, systemClock } from "../../src/base/clock.ts";
import { createIdMinter } from "../../src/base/ids.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Caller } from "../../src/identity/roles.ts";
import type { AskedCreditValue, CreditValue } from "../../src/ledger/credit-value.ts";
import { type DraftPricesDeps, draftPrices } from "../../src/ledger/verbs/draft-prices.ts";
import { listPrices, previewCharge } from "../../src/ledger/verbs/read-prices.ts";
import { openSqlite, type SqliteStore } from "../../src/store/sqlite/open-sqlite.ts";
import { testMutation, testRequest } from "../support/mutation.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { item, NOW_MS } from "./fixtures.ts";

const UUID = "0190a3f0-0000-7000-8000-000000000004";
let directory: ReturnType<typeof temporaryDirectory>;
let store: SqliteStore;

beforeEach(async () => {
  directory = temporaryDirectory();
  store = await openSqlite(join(directory.path, "plori.db"), manualClock(NOW_MS), silentLog);
  const items = [item("INPUT_UNCACHED", 1_000n), item("OUTPUT", 2_000n), item("DISK", 1_000n)];
  await store.ledger.publishPrices({ items, effectiveMs: undefined }, published());
});
afterEach(async () => {
  await store.close();
  directory.remove();
});

const published = () => testMutation("", "prices.published");
const drafted = () => testMutation("", "prices.drafted", testRequest("", UUID, { items: "x" }));
const refused = (reason: string) => expect.objectContaining({ reason });

test("a draft prices nothing, says what looks like a slip, and is published once, when its warnings are confirmed", async () => {
  const prices = { items: [item("OUTPUT", 50_000n)], effectiveMs: undefined };
  const draft = await store.ledger.draftPrices("d1", prices, drafted());
  expect(draft).toMatchObject({
    draftId: "d1",
    itemCount: 1,
    warnings: [{ index: 0, text: expect.stringContaining("tenfold") }],
  });
  expect(await store.ledger.draftPrices("d2", prices, drafted())).toEqual(draft);
  expect(await store.ledger.newestPriceVersion()).toMatchObject({ version: 1 });
  await expect(store.ledger.publishDraft("d1", true, published())).rejects.toEqual(refused("PRICES_UNCONFIRMED"));
  expect(await store.ledger.publishDraft("d1", false, published())).toMatchObject({ version: 2, itemCount: 3 });
  await expect(store.ledger.publishDraft("d1", false, published())).rejects.toEqual(refused("FIELDS_INVALID"));
  await expect(store.ledger.publishDraft("d2", false, published())).rejects.toEqual(refused("FIELDS_INVALID"));
});

test("a draft is judged beside the version that it would follow, not the one that it was written beside", async () => {
  await store.ledger.draftPrices("d1", { items: [item("OUTPUT", 9_000n)], effectiveMs: undefined }, drafted());
  const items = [item("OUTPUT", 100n)];
  await store.ledger.publishPrices({ items, effectiveMs: undefined }, published());
  await expect(store.ledger.publishDraft("d1", true, published())).rejects.toEqual(refused("PRICES_UNCONFIRMED"));
});

test("what cannot be published cannot be drafted", async () => {
  const bad = store.ledger.draftPrices("d1", { items: [item("OUTPUT", -1n)], effectiveMs: undefined }, drafted());
  await expect(bad).rejects.toEqual(refused("FIELDS_INVALID"));
});

test("a version's items are listed in pages, of that version even when another is published meanwhile", async () => {
  const first = await listPrices(store, { priceVersion: "", pageSize: 2, pageToken: "" });
  expect(first).toMatchObject({
    version: { version: 1 },
    items: [{ component: "DISK" }, { component: "INPUT_UNCACHED" }],
  });
  await store.ledger.publishPrices({ items: [item("VCPU", 1n)], effectiveMs: undefined }, published());
  const second = await listPrices(store, { priceVersion: "", pageSize: 2, pageToken: first.nextPageToken });
  expect(second).toMatchObject({ version: { version: 1 }, items: [{ component: "OUTPUT" }], nextPageToken: "" });
  const none = listPrices(store, { priceVersion: "priceVersions/9", pageSize: 0, pageToken: "" });
  await expect(none).rejects.toEqual(refused("PRICE_NOT_FOUND"));
});

test("a preview costs what a charge would, by the version in force or the one that is named", async () => {
  const items = [item("OUTPUT", 3_000n)];
  await store.ledger.publishPrices({ items, effectiveMs: undefined }, published());
  const input = {
    quantities: [
      { component: "INPUT_UNCACHED", quantity: 10n },
      { component: "OUTPUT", quantity: 5n },
    ],
    provider: "openai",
    upstreamModel: "m",
    canonicalModel: "",
    priceVersion: "",
  } as const;
  expect(await previewCharge(store, input)).toMatchObject({ priced: { totalNano: 25n }, version: { version: 2 } });
  expect(await previewCharge(store, { ...input, priceVersion: "priceVersions/1" })).toMatchObject({
    priced: { totalNano: 20n },
  });
  const disk = {
    ...input,
    quantities: [{ component: "DISK", quantity: 7n }],
    provider: "",
    upstreamModel: "",
  } as const;
  expect(await previewCharge(store, disk)).toMatchObject({ priced: { totalNano: 7n, unpriced: [] } });
  const mixed = previewCharge(store, { ...input, quantities: [...input.quantities, ...disk.quantities] });
  await expect(mixed).rejects.toEqual(refused("FIELDS_INVALID"));
});

const CREDIT = 1_000_000_000n;
const BILLING: Caller = { spiffeId: "spiffe://dev.plori.internal/billing/dev", role: "billing", name: "dev" };

/** Drafts the catalogue's prices. Returns the value that they were asked for, and what the audit says of it. */
async function draftCatalogue(
  asked: AskedCreditValue,
  creditSettings = { creditsPerUsdNano: 50n * CREDIT, markupPercent: 20 } as DraftPricesDeps["creditSettings"],
) {
  const values: CreditValue[] = [];
  const deps: DraftPricesDeps = {
    ledger: store.ledger,
    clock: manualClock(NOW_MS),
    mintId: createIdMinter(systemClock),
    creditSettings,
    cataloguePrices(value) {
      values.push(value);
      return [item("OUTPUT", 2_000n)];
    },
  };
  const input = { items: [], catalogue: asked, effectiveMs: undefined, requestId: "", actor: "" };
  await draftPrices(deps, input, BILLING);
  return values[0];
}

test("where a request does not say what a dollar is worth, or what is added, the operator's settings hold", async () => {
  const none = { creditsPerUsdNano: undefined, markupPercent: undefined };
  expect(await draftCatalogue(none)).toEqual({ creditsPerUsdNano: 50n * CREDIT, markupPercent: 20 });
  const named = await draftCatalogue({ ...none, markupPercent: 0 });
  expect(named).toEqual({ creditsPerUsdNano: 50n * CREDIT, markupPercent: 0 });
  const worth = await draftCatalogue({ ...none, creditsPerUsdNano: 7n });
  expect(worth).toEqual({ creditsPerUsdNano: 7n, markupPercent: 20 });
});

test.each([
  [{ creditsPerUsdNano: undefined, markupPercent: 0 }, ["catalogue.credits_per_usd"]],
  [{ creditsPerUsdNano: 0n, markupPercent: -1 }, ["catalogue.credits_per_usd", "catalogue.markup_percent"]],
  [
    { creditsPerUsdNano: 1_000_001n * CREDIT, markupPercent: 1_001 },
    ["catalogue.credits_per_usd", "catalogue.markup_percent"],
  ],
  [{ creditsPerUsdNano: "unholdable", markupPercent: undefined }, ["catalogue.credits_per_usd"]],
] as const)("a credit value that cannot be is refused, every field of it: %o", async (asked, fields) => {
  const attempt = draftCatalogue(asked, { creditsPerUsdNano: undefined, markupPercent: 0 });
  await expect(attempt).rejects.toMatchObject({ refusal: { violations: fields.map((field) => ({ field })) } });
});
