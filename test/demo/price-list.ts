import type OpenAI from "openai";
import type { Charge, ChargeLine } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { Payer } from "../../src/gen/plori/type/v1/type_pb.ts";
import { nanoOf } from "./credits.ts";
import { expectSame, expectThat } from "./expectation.ts";

/** What every simulated call reports: an agent's turn with a long, mostly cached context. `input` contains the cached part. */
export const REPORTED_TOKENS = { input: 18_400, cacheRead: 12_000, output: 900, reasoning: 350 } as const;

/** How large the host says that a call may get. */
export const ESTIMATE = { inputTokens: 20_000n, maxOutputTokens: 4_000n } as const;

/** The makers' list prices in US dollars per million tokens, written down here apart from the service's own catalogue. */
const USD_PER_MILLION = {
  "openai/gpt-5.5": { input: 5, cacheRead: 0.5, output: 30 },
  "anthropic/claude-opus-4.8": { input: 5, cacheRead: 0.5, output: 25 },
} as const;

export type ListedModel = keyof typeof USD_PER_MILLION;

/** In development a credit is a cent: a dollar per million tokens is 100,000 nano-credits a token. */
const NANO_PER_TOKEN_PER_USD = 100_000;

/** What usage costs at list price, in nano-credits, counted from the provider's own usage object. */
export function listPriceNano(model: ListedModel, usage: OpenAI.CompletionUsage): bigint {
  const usd = USD_PER_MILLION[model];
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  return (
    costNano(usage.prompt_tokens - cached, usd.input) +
    costNano(cached, usd.cacheRead) +
    costNano(usage.completion_tokens, usd.output)
  );
}

/** What a call costs at most by its estimate, in nano-credits: nothing cached, every output token used. */
export function worstCaseNano(model: ListedModel): bigint {
  const usd = USD_PER_MILLION[model];
  return costNano(Number(ESTIMATE.inputTokens), usd.input) + costNano(Number(ESTIMATE.maxOutputTokens), usd.output);
}

function costNano(tokens: number, usdPerMillion: number): bigint {
  return BigInt(tokens) * BigInt(usdPerMillion * NANO_PER_TOKEN_PER_USD);
}

/** Expects that a charge adds up by its own lines: quantity times price each, the amount their sum, nothing for what the user's own key paid. */
export function expectAddsUp(charge: Charge): void {
  let amountNano = 0n;
  let listNano = 0n;
  for (const line of charge.lines) {
    const priced = line.unitCount > 0n;
    expectSame(
      `whether line ${line.component} of ${charge.usageId} has a list amount`,
      line.listAmount !== undefined,
      priced,
    );
    const lineListNano = priced ? nanoOf(line.listAmount, "a line's list amount") : 0n;
    const lineNano = nanoOf(line.amount, "a line's amount");
    if (priced) expectRounded(line, lineListNano, charge.usageId);
    expectSame(
      `the amount of line ${line.component} of ${charge.usageId}`,
      lineNano,
      charge.payer === Payer.BYOK ? 0n : lineListNano,
    );
    amountNano += lineNano;
    listNano += lineListNano;
  }
  expectSame(`the amount of charge ${charge.usageId}`, nanoOf(charge.amount, "the amount"), amountNano);
  if (charge.listAmount === undefined) return;
  expectSame(`the list amount of charge ${charge.usageId}`, nanoOf(charge.listAmount, "the list amount"), listNano);
}

/** The amount is quantity times price, to the nearest nano-credit. All in pico-credits times `unit_count`, so that nothing is divided here. */
function expectRounded(
  { component, quantity, pricePico, unitCount }: ChargeLine,
  listNano: bigint,
  usageId: string,
): void {
  const missed = listNano * 1_000n * unitCount - quantity * pricePico;
  const twice = 2n * (missed < 0n ? -missed : missed);
  expectThat(twice <= 1_000n * unitCount, `line ${component} of charge ${usageId} is its quantity times its price`);
}
