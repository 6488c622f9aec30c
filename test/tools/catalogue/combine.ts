import type { Provider } from "../../../src/base/provider.ts";
import { describeProvider } from "../../../src/providers/descriptors.ts";
import type { Hosting, ListPrice, UsdPerMillionTokens } from "../../../src/router/catalogue/catalogue-model.ts";
import type { Offer } from "./offers.ts";

/** The author under whose name the provider's own models stand, if it makes models. */
export function authorOf(provider: Provider): string | undefined {
  return describeProvider(provider).modelIds.firstPartyAuthor;
}

/**
 * What plori sells a model as that these providers sell: with the smallest context and output of theirs, at its maker's list price, or else at the dearest of the
 * hosts', component by component, so that it never sells below cost.
 */
export function combineOffers(id: string, offers: readonly Offer[]): Hosting {
  const author = id.slice(0, id.indexOf("/"));
  const maker = offers.find(({ provider }) => authorOf(provider) === author);
  const contextTokens = Math.min(...offers.map((offer) => offer.contextTokens));
  return {
    contextTokens,
    maxOutputTokens: Math.min(contextTokens, ...offers.map((offer) => offer.maxOutputTokens)),
    listPrice: maker?.listPrice ?? offers.map(({ listPrice }) => listPrice).reduce(dearerList),
  };
}

function dearerList(one: ListPrice, other: ListPrice): ListPrice {
  const base = dearer(one, other);
  if (one.long === undefined && other.long === undefined) return base;
  const aboveInputTokens = Math.min(
    one.long?.aboveInputTokens ?? Number.MAX_SAFE_INTEGER,
    other.long?.aboveInputTokens ?? Number.MAX_SAFE_INTEGER,
  );
  return { ...base, long: { ...dearer(one.long ?? one, other.long ?? other), aboveInputTokens } };
}

/** A component without a price of its own costs what plain input costs. */
function dearer(one: UsdPerMillionTokens, other: UsdPerMillionTokens): UsdPerMillionTokens {
  const input = Math.max(one.input, other.input);
  const cacheRead = Math.max(one.cacheRead ?? one.input, other.cacheRead ?? other.input);
  const cacheWrite = Math.max(one.cacheWrite ?? one.input, other.cacheWrite ?? other.input);
  return {
    input,
    output: Math.max(one.output, other.output),
    ...(cacheRead === input ? {} : { cacheRead }),
    ...(cacheWrite === input ? {} : { cacheWrite }),
  };
}
