import type { HoldOrder } from "../../src/ledger/place-hold.ts";
import type { ProposedItem } from "../../src/ledger/publish-prices.ts";
import type { Component, HoldRow, RouteFacts } from "../../src/ledger/rows.ts";
import type { CallUsage, Recorder, TokenCounts, UsageRecord, Used } from "../../src/ledger/usage-record.ts";
import type { ModelBook } from "./model.ts";

export const NOW_MS = 1_800_000_000_000;
export const RECORDER: Recorder = { role: "recorder", host: "" };
export const HOST: Recorder = { role: "agent-host", host: "h1" };

/** A price item for the model "m" at openai, or for a meter. */
export function item(component: Component, pricePico: bigint, unitCount = 1n, minInputTokens = 0n): ProposedItem {
  const meter = component === "VCPU" || component === "MEMORY" || component === "DISK";
  return {
    component,
    provider: meter ? "" : "openai",
    model: meter ? "" : "m",
    minInputTokens,
    pricePico,
    unitCount,
  };
}

/** A model book as price items. */
export function itemsOf(book: ModelBook): readonly ProposedItem[] {
  return [
    ...book.input.map((price) => item("INPUT_UNCACHED", price.pico, price.per, price.from)),
    ...book.output.map((price) => item("OUTPUT", price.pico, price.per, price.from)),
    item("DISK", book.disk.pico, book.disk.per),
  ];
}

/** A route of agent "g1" on host "h1"; hosted when it has a hold. */
export function routeOf(facts: Partial<RouteFacts> & Pick<RouteFacts, "routeId" | "account">): RouteFacts {
  return {
    agent: "g1",
    host: "h1",
    payer: facts.holdId === undefined ? "BYOK" : "HOSTED",
    provider: "openai",
    model: "vendor/m",
    upstreamModel: "m",
    canonicalModel: "vendor/m",
    keyVersion: 1,
    priceVersion: 1,
    holdId: undefined,
    callId: "",
    createMs: NOW_MS,
    ...facts,
  };
}

/** The route that was released with a hold. */
export function routeOfHold(hold: HoldRow): RouteFacts {
  return routeOf({
    routeId: hold.routeId,
    account: hold.account,
    holdId: hold.holdId,
    callId: hold.callId,
    priceVersion: hold.priceVersion,
    host: hold.host,
    agent: hold.agent,
  });
}

/** An order for a hold of agent "g1" on host "h1". */
export function orderOf(order: Partial<HoldOrder> & Pick<HoldOrder, "account" | "callId" | "holdId">): HoldOrder {
  return {
    agent: "g1",
    host: "h1",
    routeId: `r-${order.holdId}`,
    model: "vendor/m",
    provider: "openai",
    upstreamModel: "m",
    canonicalModel: "vendor/m",
    inputTokens: 100n,
    maxOutputTokens: 100n,
    minOutputTokens: 1n,
    ...order,
  };
}

export const NO_TOKENS: TokenCounts = { inputUncached: 0n, cacheRead: 0n, cacheWrite: 0n, output: 0n, reasoning: 0n };

/** Usage as counted by the caller. */
export function tokens(inputUncached: bigint, output: bigint, rest: Partial<TokenCounts> = {}): CallUsage {
  return { kind: "tokens", tokens: { ...NO_TOKENS, inputUncached, output, ...rest } };
}

type ModelCall = Extract<Used, { kind: "MODEL_CALL" }>;

/** A model call over a route. */
export function callOver(routeId: string, callId: string, rest: Partial<ModelCall> = {}): ModelCall {
  return {
    kind: "MODEL_CALL",
    authority: { kind: "route", routeId },
    callId,
    attempt: 1,
    usage: tokens(10n, 10n),
    outcome: "SUCCEEDED",
    providerRequestId: "",
    ...rest,
  };
}

/** A record of agent "g1" in account "a1". */
export function recordOf(usageId: string, used: Used | undefined, rest: Partial<UsageRecord> = {}): UsageRecord {
  return {
    usageId,
    account: "a1",
    agent: "g1",
    occurMs: NOW_MS,
    labels: {},
    used,
    ...rest,
  };
}
