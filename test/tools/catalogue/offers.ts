import { PROVIDERS, type Provider } from "../../../src/base/provider.ts";
import { describeProvider } from "../../../src/providers/descriptors.ts";
import { readPath } from "../../../src/providers/json-path.ts";
import type { Hosting, ListPrice, UsdPerMillionTokens } from "../../../src/router/catalogue/catalogue-model.ts";

/** How models.dev calls the providers that it calls otherwise. */
const NAMES: Readonly<Partial<Record<Provider, string>>> = { together: "togetherai" };
/** A dollar a thousand tokens: nothing costs as much. */
const USD_MAX = 1_000;
const ID = /^[!-~]{1,256}$/;
/** Models that charge for more than tokens. */
const MORE_THAN_TOKENS = /(?:^|[-/])(?:search|deep-research|sonar|audio|realtime)(?:[-/]|$)/;
/** OpenRouter's routers and its names for whatever is newest. */
const CHANGING = /^openrouter\/|^~/;
/** OpenRouter's variants of another model. */
const VARIANT = /:/;
const TEXT = "text";
const CHARGES_MORE = "charges for more than tokens";
const ANSWERS_MORE = "answers with more than text";

/** A model as one provider sells it. */
export interface Offer extends Hosting {
  readonly provider: Provider;
  readonly id: string;
  readonly name: string;
  /** Its provider will end it: nobody begins to sell it, and who does goes on. */
  readonly isEnding: boolean;
}

/** A provider's model that plori cannot sell, and why. */
export interface LeftOut {
  readonly provider: Provider;
  readonly id: string;
  readonly name: string;
  /** It holds chats all the same, so users' own keys may serve it. */
  readonly isChat: boolean;
  readonly why: string;
}

/** Everything that a file of model data says about our providers. */
export interface Offers {
  readonly offers: readonly Offer[];
  readonly leftOut: readonly LeftOut[];
  /** Every id of the providers that the file tells of, sold or not. A provider that it does not tell of is not there. */
  readonly ids: ReadonlyMap<Provider, ReadonlySet<string>>;
}

/** Reads models.dev's `api.json`: `{provider: {models: {id: {name, cost, limit, modalities, status}}}}`, prices in US dollars per million tokens. Throws when it tells of none of our providers. */
export function readOffers(json: unknown): Offers {
  const offers: Offer[] = [];
  const leftOut: LeftOut[] = [];
  const ids = new Map<Provider, ReadonlySet<string>>();
  for (const provider of PROVIDERS) {
    const models = entriesAt(json, `${NAMES[provider] ?? provider}.models`);
    if (models.length === 0) continue;
    ids.set(provider, new Set(models.map(([id]) => id)));
    for (const [id, model] of models.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const read = readOffer(provider, id, model);
      if (typeof read !== "string") offers.push(read);
      else leftOut.push({ provider, id, name: nameOf(id, model), isChat: isUnsoldChat(read, model), why: read });
    }
  }
  if (ids.size === 0) throw new Error("the file tells of no provider of ours: is it models.dev's api.json?");
  return { offers, leftOut, ids };
}

/** The offer, or why it cannot be sold. */
function readOffer(provider: Provider, id: string, model: unknown): Offer | string {
  if (!ID.test(id)) return "its id is not 1-256 visible characters";
  if (VARIANT.test(id)) return "is a variant of another model";
  if (MORE_THAN_TOKENS.test(id)) return CHARGES_MORE;
  if (CHANGING.test(id)) return "differs from call to call";
  if (describeProvider(provider).models.otherThanChat?.test(id) === true) return "holds no chats";
  if (outputsOf(model).some((kind) => kind !== TEXT)) return ANSWERS_MORE;
  const contextTokens = readPath(model, "limit.context");
  const outputTokens = readPath(model, "limit.output");
  if (!isCount(contextTokens) || !isCount(outputTokens)) return "its sizes are not told";
  const listPrice = readListPrice(readPath(model, "cost"));
  if (typeof listPrice === "string") return listPrice;
  return {
    provider,
    id,
    name: nameOf(id, model),
    isEnding: readPath(model, "status") === "deprecated",
    contextTokens,
    maxOutputTokens: Math.min(outputTokens, contextTokens),
    listPrice,
  };
}

function nameOf(id: string, model: unknown): string {
  const name = readPath(model, "name");
  return typeof name === "string" && name.trim() !== "" ? name.trim() : id;
}

function isUnsoldChat(why: string, model: unknown): boolean {
  const outputs = outputsOf(model);
  return why === CHARGES_MORE || (why === ANSWERS_MORE && outputs.includes(TEXT));
}

function outputsOf(model: unknown): readonly unknown[] {
  const outputs = readPath(model, "modalities.output");
  return Array.isArray(outputs) ? outputs : [];
}

function readListPrice(cost: unknown): ListPrice | string {
  const base = readPrice(cost);
  if (typeof base === "string") return base;
  const tiers = readPath(cost, "tiers");
  const long = Array.isArray(tiers) ? tiers : [];
  if (long.length > 1) return "has more than two price tiers";
  const tier = long[0] ?? readPath(cost, "context_over_200k");
  if (tier === undefined) return base;
  const price = readPrice(tier);
  if (typeof price === "string") return price;
  const aboveInputTokens = readPath(tier, "tier.size") ?? 200_000;
  return isCount(aboveInputTokens) ? { ...base, long: { ...price, aboveInputTokens } } : "its long calls begin nowhere";
}

function readPrice(cost: unknown): UsdPerMillionTokens | string {
  const at = (field: string): unknown => readPath(cost, field);
  const [input, output, reasoning, read, write] = ["input", "output", "reasoning", "cache_read", "cache_write"].map(at);
  for (const price of [input, output, reasoning, read, write]) {
    if (price === undefined) continue;
    if (typeof price !== "number" || !Number.isFinite(price) || price < 0) return `its price ${String(price)} is none`;
    if (price > USD_MAX) return `its price ${price} is beyond anything real`;
    if (hasTooManyPlaces(price)) return `its price ${price} has more places than money`;
  }
  if (!isPositive(input) || !isPositive(output)) return input === undefined ? "its price is not told" : "is free";
  return {
    input,
    // Reasoning is sold as output, so that output costs whichever is dearer.
    output: isPositive(reasoning) ? Math.max(output, reasoning) : output,
    ...(isPositive(read) ? { cacheRead: read } : {}),
    ...(isPositive(write) ? { cacheWrite: write } : {}),
  };
}

/** Nano US dollars per million tokens hold every price that anybody asks. */
function hasTooManyPlaces(price: number): boolean {
  return Math.abs(price * 1e9 - Math.round(price * 1e9)) >= 1e-3;
}

function entriesAt(json: unknown, path: string): readonly (readonly [string, unknown])[] {
  const value = readPath(json, path);
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && value > 0;
}
