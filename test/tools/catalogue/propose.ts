import { PROVIDERS, type Provider } from "../../../src/base/provider.ts";
import type { CatalogueModel, ListPrice } from "../../../src/router/catalogue/catalogue-model.ts";
import type { Catalogue } from "../../../src/router/catalogue.ts";
import { authorOf, combineOffers } from "./combine.ts";
import type { LeftOut, Offer, Offers } from "./offers.ts";

/** A price that moves by more than this factor is a slip until somebody says that it is none. */
const JUMP_FACTOR = 2;
const COMPONENTS = ["input", "output", "cacheRead", "cacheWrite"] as const;

/** One change of the catalogue. What stands in `guards` is not made unless somebody confirms it. */
export interface Change {
  readonly id: string;
  /** Absent: the model is new. */
  readonly before?: CatalogueModel;
  /** Absent: the model goes. */
  readonly after?: CatalogueModel;
  /** What differs, old → new, for people. */
  readonly differences: readonly string[];
  readonly guards: readonly string[];
}

/** What a file of model data would change, ordered by id. */
export interface Proposal {
  readonly changes: readonly Change[];
  readonly leftOut: readonly LeftOut[];
}

/** Compares the catalogue with what providers sell now. Pure. Providers that the file does not tell of keep their ids, and known models their names. */
export function proposeUpdate(catalogue: Catalogue, offers: Offers): Proposal {
  const byModel = Map.groupBy(offers.offers, (offer) => canonicalId(catalogue, offers, offer));
  const unsold = Map.groupBy(
    offers.leftOut.filter(({ isChat }) => isChat),
    (model) => canonicalId(catalogue, offers, model),
  );
  const wanted = new Set([...byModel.keys(), ...unsold.keys(), ...catalogue.models.map(({ id }) => id)]);
  const changes = [...wanted].toSorted().flatMap((id) => {
    const before = catalogue.models.find((model) => model.id === id);
    const change =
      before === undefined
        ? (addition(id, byModel.get(id) ?? []) ?? unsoldAddition(id, unsold.get(id) ?? []))
        : update(before, byModel.get(id) ?? [], offers);
    return change === undefined ? [] : [change];
  });
  return { changes, leftOut: offers.leftOut };
}

/** The models once the changes were made, the guarded ones only if `confirmed`. */
export function applyChanges(
  catalogue: Catalogue,
  { changes }: Proposal,
  confirmed: boolean,
): readonly CatalogueModel[] {
  const models = new Map(catalogue.models.map((model) => [model.id, model]));
  for (const { id, after, guards } of changes) {
    if (guards.length > 0 && !confirmed) continue;
    if (after === undefined) models.delete(id);
    else models.set(id, after);
  }
  return [...models.values()];
}

/** The canonical id of what a provider sells: as the catalogue knows it, or OpenRouter's spelling, or the only host's. */
function canonicalId(catalogue: Catalogue, { ids }: Offers, { provider, id }: Pick<Offer, "provider" | "id">): string {
  const known = catalogue.find(id);
  if (known?.ids[provider] === id) return known.id;
  if (provider === "openrouter") return id;
  const author = authorOf(provider);
  if (author !== undefined) return `${author}/${id}`;
  // Hosts of open weights spell authors and models their own way; that two ids differ in nothing but case is worth a proposal.
  const spellings = [...(ids.get("openrouter") ?? []), ...catalogue.models.map((model) => model.id)];
  return spellings.find((spelling) => spelling.toLowerCase() === id.toLowerCase()) ?? id;
}

function addition(id: string, all: readonly Offer[]): Change | undefined {
  const offers = all.filter(({ isEnding }) => !isEnding);
  if (offers.length === 0) return undefined;
  const after = {
    id,
    displayName: (offers.find(({ provider }) => provider !== "openrouter") ?? offers[0])?.name ?? id,
    ids: Object.fromEntries(offers.map((offer) => [offer.provider, offer.id])),
    hosting: combineOffers(id, offers),
  };
  const guards = soundness(after.hosting.listPrice);
  return { id, after, differences: [], guards };
}

/** A model that only users' own keys serve. */
function unsoldAddition(id: string, models: readonly LeftOut[]): Change | undefined {
  if (models.length === 0) return undefined;
  const ids = Object.fromEntries(models.map((model) => [model.provider, model.id]));
  const after = { id, displayName: models[0]?.name ?? id, ids };
  return { id, after, differences: [], guards: [] };
}

function update(before: CatalogueModel, offers: readonly Offer[], { ids, leftOut }: Offers): Change | undefined {
  const differences: string[] = [];
  const guards: string[] = [];
  const after: { -readonly [K in keyof CatalogueModel]: CatalogueModel[K] } = { ...before, ids: { ...before.ids } };
  const hosts: Partial<Record<Provider, string>> = { ...before.ids };
  for (const provider of PROVIDERS) {
    const held = before.ids[provider];
    const offered = offers.find((offer) => offer.provider === provider)?.id;
    const isGone = held !== undefined && ids.has(provider) && ids.get(provider)?.has(held) !== true;
    if (held === undefined && offered !== undefined) {
      hosts[provider] = offered;
      differences.push(`${provider} serves it as ${offered}`);
    } else if (isGone && offered === undefined) {
      delete hosts[provider];
      guards.push(`${provider} does not serve ${held} any more`);
    }
  }
  after.ids = hosts;
  if (Object.keys(hosts).length === 0) {
    const priced = before.hosting === undefined ? [] : ["it is still priced"];
    return { id: before.id, before, differences: ["nobody serves it"], guards: [...guards, ...priced] };
  }
  if (offers.length > 0) {
    after.hosting = combineOffers(before.id, offers);
    differences.push(...compareHosting(before, after, guards));
  } else if (before.hosting !== undefined) {
    const reasons = leftOut.filter(({ provider, id }) => before.ids[provider] === id).map(({ why }) => why);
    // Without a word about it, the price that is known stays.
    if (reasons.length > 0) {
      delete after.hosting;
      guards.push(`it would not be sold any more: ${[...new Set(reasons)].join(", ")}`);
    }
  }
  if (differences.length === 0 && guards.length === 0) return undefined;
  return { id: before.id, before, after, differences, guards };
}

/** What differs in sizes and prices; notes in `guards` what looks like a slip. */
function compareHosting(before: CatalogueModel, after: CatalogueModel, guards: string[]): readonly string[] {
  const [old, now] = [before.hosting, after.hosting];
  if (now === undefined) return [];
  guards.push(...soundness(now.listPrice));
  if (old === undefined) return [`it has a price: ${now.listPrice.input} in, ${now.listPrice.output} out`];
  const differences: string[] = [];
  const note = (what: string, was: number | undefined, is: number | undefined): void => {
    if (was !== is) differences.push(`${what} ${was ?? "none"} → ${is ?? "none"}`);
  };
  note("context", old.contextTokens, now.contextTokens);
  note("output", old.maxOutputTokens, now.maxOutputTokens);
  for (const [what, was, is] of pricesOf(old.listPrice, now.listPrice)) {
    note(what, was.own, is.own);
    if (Math.max(was.asked / is.asked, is.asked / was.asked) > JUMP_FACTOR) {
      guards.push(`${what} jumps from ${was.asked} to ${is.asked}`);
    }
  }
  note("long calls above", old.listPrice.long?.aboveInputTokens, now.listPrice.long?.aboveInputTokens);
  return differences;
}

/** A component's own price, if it has one, and what is asked for it then. */
interface Price {
  readonly own: number | undefined;
  readonly asked: number;
}

/** Each component's price before and now, those of long calls with it. */
function pricesOf(old: ListPrice, now: ListPrice): readonly (readonly [string, Price, Price])[] {
  const price = (list: ListPrice, component: (typeof COMPONENTS)[number], isLong: boolean): Price => {
    const at = isLong ? (list.long ?? list) : list;
    return { own: isLong ? list.long?.[component] : list[component], asked: at[component] ?? at.input };
  };
  return [false, true].flatMap((isLong) =>
    COMPONENTS.map(
      (component) =>
        [`${isLong ? "long " : ""}${component}`, price(old, component, isLong), price(now, component, isLong)] as const,
    ),
  );
}

/** What looks wrong in a list price by itself. */
function soundness({ long, ...base }: ListPrice): readonly string[] {
  return [
    ...((base.cacheRead ?? 0) > base.input ? ["reading the cache is dearer than input"] : []),
    ...(long !== undefined && (long.input < base.input || long.output < base.output)
      ? ["long calls are cheaper than short ones"]
      : []),
  ];
}
