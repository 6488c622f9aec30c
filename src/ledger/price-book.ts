import { PROVIDERS, type Provider } from "../base/provider.ts";
import type { Component } from "./rows.ts";

/** Combinations of provider and model whose prices a book remembers having looked up. */
const LOOKUPS_KEPT_MAX = 4_096;

/** The price of one component. */
export interface PriceItem {
  readonly component: Component;
  /** Empty: whichever provider serves. Always empty for compute and disk. */
  readonly provider: Provider | "";
  /** The provider's own id, or, without a provider, the canonical `author/model`. Empty for compute and disk. */
  readonly model: string;
  /** Holds for calls with at least so many input tokens. */
  readonly minInputTokens: bigint;
  /** In pico-credits (10^-12 credit) for `unitCount` of the component's unit. */
  readonly pricePico: bigint;
  readonly unitCount: bigint;
}

/** A published version, without its items. */
export interface PriceVersion {
  /** From 1. */
  readonly version: number;
  /** SHA-256 of its items, hexadecimal. */
  readonly contentHash: string;
  readonly effectiveMs: number;
  readonly publishMs: number;
  readonly itemCount: number;
}

/** What a component costs: `pricePico` for `unitCount`, in calls with at least `minInputTokens`. */
export type Tier = Pick<PriceItem, "minInputTokens" | "pricePico" | "unitCount">;

/** The tiers of a model's components, those for more input tokens first. A component that is not there is unpriced. */
export type ModelPrices = Readonly<Partial<Record<Component, readonly Tier[]>>>;

/** What decides a model's price: the provider's own id goes before the canonical one. */
export interface PricedModel {
  readonly provider: Provider;
  readonly upstreamModel: string;
  readonly canonicalModel: string;
}

/** Every price of one version, by what is looked for. It never changes. */
export class PriceBook {
  readonly version: PriceVersion;
  readonly items: readonly PriceItem[];
  readonly #tiers = new Map<string, Tier[]>();
  readonly #models = new Map<string, ModelPrices>();

  constructor(version: PriceVersion, items: readonly PriceItem[]) {
    this.version = version;
    this.items = items;
    for (const item of items) {
      const key = keyOf(item.component, item.provider, item.model);
      const tiers = this.#tiers.get(key);
      if (tiers === undefined) this.#tiers.set(key, [item]);
      else tiers.push(item);
    }
    for (const tiers of this.#tiers.values()) {
      tiers.sort((a, b) => (a.minInputTokens < b.minInputTokens ? 1 : a.minInputTokens > b.minInputTokens ? -1 : 0));
    }
  }

  /** A model's prices. Reasoning that is not priced apart is priced as output. */
  modelPrices({ provider, upstreamModel, canonicalModel }: PricedModel): ModelPrices {
    const key = `${provider}\n${upstreamModel}\n${canonicalModel}`;
    const known = this.#models.get(key);
    if (known !== undefined) return known;
    const find = (component: Component): readonly Tier[] | undefined =>
      this.#tiers.get(keyOf(component, provider, upstreamModel)) ??
      (canonicalModel === "" ? undefined : this.#tiers.get(keyOf(component, "", canonicalModel)));
    const prices = present({
      INPUT_UNCACHED: find("INPUT_UNCACHED"),
      CACHE_READ: find("CACHE_READ"),
      CACHE_WRITE: find("CACHE_WRITE"),
      OUTPUT: find("OUTPUT"),
      REASONING: find("REASONING") ?? find("OUTPUT"),
    });
    if (this.#models.size >= LOOKUPS_KEPT_MAX) this.#models.clear();
    this.#models.set(key, prices);
    return prices;
  }

  /** The prices of an agent computer's time and disk. */
  meterPrices(): ModelPrices {
    return present({
      VCPU: this.#tiers.get(keyOf("VCPU", "", "")),
      MEMORY: this.#tiers.get(keyOf("MEMORY", "", "")),
      DISK: this.#tiers.get(keyOf("DISK", "", "")),
    });
  }
}

/** The tier that holds for a call with so many input tokens, or undefined. */
export function tierFor(tiers: readonly Tier[] | undefined, inputTokens: bigint): Tier | undefined {
  return tiers?.find((tier) => tier.minInputTokens <= inputTokens);
}

/** Whether the text is a provider that an item may name, or empty. */
export function isPriceProvider(text: string): text is Provider | "" {
  return text === "" || (PROVIDERS as readonly string[]).includes(text);
}

function keyOf(component: Component, provider: string, model: string): string {
  return `${component}\n${provider}\n${model}`;
}

function present(found: Partial<Record<Component, readonly Tier[] | undefined>>): ModelPrices {
  const prices: Partial<Record<Component, readonly Tier[]>> = {};
  for (const [component, tiers] of Object.entries(found)) {
    if (tiers !== undefined) prices[component as Component] = tiers;
  }
  return prices;
}
