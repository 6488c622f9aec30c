import type { Provider } from "../../base/provider.ts";

/**
 * The data beside this file says which provider knows which model by which id, how large its calls get, and what it costs at list price.
 *
 * Sources: models.dev at commit f3fc692 of 2026-07-02 (MIT licence), reduced to the six providers; ids that appeared later, until October 2026,
 * from public documentation and listings. Those come without prices, and where no listing had it, OpenRouter's spelling is inferred from its
 * rule (author/id). Where several hosts serve a model, its context and output are the smallest of theirs; its list price is its maker's, or else
 * the highest of the hosts', so that plori never sells below cost.
 * Models that charge for more than tokens (web searches, deep research) and models that differ from call to call (`openrouter/auto`) are left out.
 */

/** List prices in US dollars per million tokens. A component without a price of its own costs what plain input costs. */
export interface UsdPerMillionTokens {
  readonly input: number;
  readonly output: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
}

/** List prices, with those of long calls where they differ. */
export interface ListPrice extends UsdPerMillionTokens {
  /** Prices of calls with more input tokens than `aboveInputTokens`. */
  readonly long?: UsdPerMillionTokens & { readonly aboveInputTokens: number };
}

/** What plori needs to know of a model to sell calls of it. */
export interface Hosting {
  readonly contextTokens: number;
  /** The most output tokens of one call. */
  readonly maxOutputTokens: number;
  readonly listPrice: ListPrice;
}

/** A model that plori knows. */
export interface CatalogueModel {
  /** The canonical id: OpenRouter's spelling, or the only host's where OpenRouter does not have it. */
  readonly id: string;
  readonly displayName: string;
  /** The model's id at every provider that serves it, verbatim. */
  readonly ids: Readonly<Partial<Record<Provider, string>>>;
  /** Absent: not sold, since its price is not known. Users' own keys serve it all the same. */
  readonly hosting?: Hosting;
}

type OtherIds = Readonly<Partial<Record<Exclude<Provider, "openrouter">, string>>>;
type Size = Omit<Hosting, "listPrice">;

/** A model that OpenRouter serves under its canonical id, and others under theirs. */
export function model(
  id: string,
  displayName: string,
  size: Size,
  listPrice: ListPrice,
  others: OtherIds = {},
): CatalogueModel {
  return { id, displayName, ids: { ...others, openrouter: id }, hosting: { ...size, listPrice } };
}

/** A model that OpenRouter does not serve. */
export function elsewhere(
  id: string,
  displayName: string,
  size: Size,
  listPrice: ListPrice,
  ids: OtherIds,
): CatalogueModel {
  return { id, displayName, ids, hosting: { ...size, listPrice } };
}

/** A model whose price is not known: it is routed to users' keys and not sold. */
export function unpriced(id: string, displayName: string, ids: CatalogueModel["ids"]): CatalogueModel {
  return { id, displayName, ids };
}

/** How large a call gets. */
export function tokens(contextTokens: number, maxOutputTokens: number): Size {
  return { contextTokens, maxOutputTokens };
}

/** List prices in US dollars per million tokens. */
export function usd(input: number, output: number, cacheRead?: number, cacheWrite?: number): UsdPerMillionTokens {
  return {
    input,
    output,
    ...(cacheRead === undefined ? {} : { cacheRead }),
    ...(cacheWrite === undefined ? {} : { cacheWrite }),
  };
}

/** List prices that change for calls with more than `aboveInputTokens` input tokens. */
export function tiered(base: UsdPerMillionTokens, aboveInputTokens: number, long: UsdPerMillionTokens): ListPrice {
  return { ...base, long: { ...long, aboveInputTokens } };
}
