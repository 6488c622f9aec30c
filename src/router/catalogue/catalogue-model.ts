import type { Provider } from "../../base/provider.ts";

/**
 * `models.jsonl` beside this file says which provider knows which model by which id, how large its calls get, and what it costs at list price; a line a model.
 *
 * Sources: models.dev at commit f3fc692 of 2026-07-02 (MIT licence), reduced to the six providers; ids that appeared later, until October 2026,
 * from public documentation and listings. Those come without prices, and where no listing had it, OpenRouter's spelling is inferred from its
 * rule (author/id). Where several hosts serve a model, its context and output are the smallest of theirs; its list price is its maker's, or else
 * the highest of the hosts', so that plori never sells below cost.
 * Models that charge for more than tokens (web searches, deep research, sound, pictures) have no price here: they are routed to users' keys and not sold. Models
 * that differ from call to call (`openrouter/auto`, `~…-latest`), variants (`:free`) and those that were shut down since are left out.
 * `npm run catalogue` proposes updates.
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
