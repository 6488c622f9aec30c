import { divideHalfEven } from "../base/credits.ts";
import type { LedgerStore } from "../ledger/ports.ts";
import { PriceBook, tierFor } from "../ledger/price-book.ts";
import type { HostedPrices, TokenPrices } from "../router/ports.ts";

const TOKENS = 1_000_000n;
const ITEMS_MAX = Number.MAX_SAFE_INTEGER;

/** The ledger's published prices as the router lists them. The book in force is kept; a version never changes. */
export function createHostedPrices(ledger: Pick<LedgerStore, "newestPriceVersion" | "listPrices">): HostedPrices {
  let kept: PriceBook | undefined;

  /** The newest version that is effective by then. Versions are numbered without gaps, and a newer one is never effective before an older one. */
  async function bookAt(nowMs: number): Promise<PriceBook | undefined> {
    const newest = await ledger.newestPriceVersion();
    for (let version = newest?.version ?? 0; version > 0; version -= 1) {
      if (kept?.version.version === version && kept.version.effectiveMs <= nowMs) return kept;
      const head = await ledger.listPrices(version, 0, 0);
      if (head === undefined || head.version.effectiveMs > nowMs) continue;
      const whole = await ledger.listPrices(version, 0, ITEMS_MAX);
      kept = whole && new PriceBook(whole.version, whole.items);
      return kept;
    }
    return undefined;
  }

  return {
    async inForce(nowMs) {
      const book = await bookAt(nowMs);
      return (model) => (book === undefined ? undefined : pricesOf(book, model));
    },
  };
}

function pricesOf(book: PriceBook, model: Parameters<PriceBook["modelPrices"]>[0]): TokenPrices | undefined {
  const prices = book.modelPrices(model);
  const perMillion = (component: keyof typeof prices): bigint | undefined => {
    const tier = tierFor(prices[component], 0n);
    return tier && divideHalfEven(tier.pricePico * TOKENS, tier.unitCount);
  };
  const inputPico = perMillion("INPUT_UNCACHED");
  const outputPico = perMillion("OUTPUT");
  if (inputPico === undefined || outputPico === undefined) return undefined;
  const [cacheReadPico, cacheWritePico] = [perMillion("CACHE_READ"), perMillion("CACHE_WRITE")];
  return {
    inputPico,
    outputPico,
    ...(cacheReadPico === undefined ? {} : { cacheReadPico }),
    ...(cacheWritePico === undefined ? {} : { cacheWritePico }),
  };
}
