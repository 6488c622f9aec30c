import type { PriceItem, PriceVersion } from "../../ledger/price-book.ts";
import {
  type ChargeLine,
  type ChargeRow,
  COMPONENTS,
  type Component,
  type Draw,
  type GrantRow,
  type HoldRow,
  type PoolRow,
  type RollupRow,
  type RouteFacts,
  type TransferRow,
} from "../../ledger/rows.ts";

/** A row as SQLite gives it: every integer is a bigint, every absence null. */
export type Stored<Row, Whole extends keyof Row = never> = {
  readonly [Name in keyof Row]: Name extends Whole ? bigint | Absent<Row[Name]> : Row[Name] | Absent<Row[Name]>;
};
type Absent<Value> = undefined extends Value ? null : never;

export const POOL_COLUMNS = `account, granted_nano AS grantedNano, held_nano AS heldNano, spent_nano AS spentNano, expired_nano AS expiredNano,
  overdraft_nano AS overdraftNano, voided_nano AS voidedNano, charge_sequence AS chargeSequence, charge_digest AS chargeDigest, transfer_sequence AS transferSequence, record_ms AS recordMs, due_ms AS dueMs,
  credit_level AS creditLevel`;
export type StoredPool = Stored<PoolRow, "chargeSequence" | "transferSequence" | "recordMs" | "dueMs">;

export function toPool(row: StoredPool): PoolRow {
  return {
    ...row,
    chargeSequence: Number(row.chargeSequence),
    transferSequence: Number(row.transferSequence),
    recordMs: Number(row.recordMs),
    dueMs: toNumber(row.dueMs),
  };
}

export const GRANT_COLUMNS = `account, grant_id AS grantId, amount_nano AS amountNano, remaining_nano AS remainingNano, pinned_nano AS pinnedNano,
  priority, category, effective_ms AS effectiveMs, expire_ms AS expireMs, create_ms AS createMs, void_ms AS voidMs`;
export type StoredGrant = Stored<GrantRow, "priority" | "effectiveMs" | "expireMs" | "createMs" | "voidMs">;

export function toGrant(row: StoredGrant): GrantRow {
  return {
    ...row,
    priority: Number(row.priority),
    effectiveMs: Number(row.effectiveMs),
    expireMs: toNumber(row.expireMs),
    createMs: Number(row.createMs),
    voidMs: toNumber(row.voidMs),
  };
}

export const HOLD_COLUMNS = `account, hold_id AS holdId, host, agent, call_id AS callId, route_id AS routeId, model, price_version AS priceVersion,
  input_tokens AS inputTokens, requested_output_tokens AS requestedOutputTokens, max_output_tokens AS maxOutputTokens, amount_nano AS amountNano, pins,
  create_ms AS createMs, expire_ms AS expireMs, state, resolve_ms AS resolveMs, charge_sequence AS chargeSequence,
  used_so_far AS usedSoFar`;
export type StoredHold = Omit<
  Stored<HoldRow, "priceVersion" | "createMs" | "expireMs" | "resolveMs" | "chargeSequence">,
  "pins"
> & {
  readonly pins: string;
};

export function toHold(row: StoredHold): HoldRow {
  return {
    ...row,
    priceVersion: Number(row.priceVersion),
    pins: toDraws(row.pins),
    createMs: Number(row.createMs),
    expireMs: Number(row.expireMs),
    resolveMs: toNumber(row.resolveMs),
    chargeSequence: toNumber(row.chargeSequence),
  };
}

export const CHARGE_COLUMNS = `account, sequence, kind, usage_id AS usageId, agent, payer, amount_nano AS amountNano, list_nano AS listNano,
  overdraft_nano AS overdraftNano, estimated, price_version AS priceVersion, lines, allocations, provider, model, upstream_model AS upstreamModel,
  route_id AS routeId, hold_id AS holdId, call_id AS callId, attempt, outcome, key_version AS keyVersion,
  provider_cost_usd_nano AS providerCostUsdNano, provider_request_id AS providerRequestId, record_text AS recordText, occur_ms AS occurMs,
  record_ms AS recordMs, reverses`;
export type StoredCharge = Omit<
  Stored<ChargeRow, "sequence" | "priceVersion" | "attempt" | "keyVersion" | "occurMs" | "recordMs" | "reverses">,
  "lines" | "allocations" | "estimated"
> & { readonly lines: string; readonly allocations: string; readonly estimated: bigint };

export function toCharge(row: StoredCharge): ChargeRow {
  return {
    ...row,
    sequence: Number(row.sequence),
    listNano: row.listNano ?? undefined,
    estimated: row.estimated === 1n,
    priceVersion: Number(row.priceVersion),
    lines: toLines(row.lines),
    allocations: toDraws(row.allocations),
    provider: row.provider ?? undefined,
    attempt: Number(row.attempt),
    outcome: row.outcome ?? undefined,
    keyVersion: Number(row.keyVersion),
    providerCostUsdNano: row.providerCostUsdNano ?? undefined,
    occurMs: Number(row.occurMs),
    recordMs: Number(row.recordMs),
    reverses: Number(row.reverses),
  };
}

export const ROUTE_FACTS_COLUMNS = `route_id AS routeId, account, agent, host, payer, provider, model, upstream_model AS upstreamModel,
  canonical_model AS canonicalModel, key_version AS keyVersion, price_version AS priceVersion, hold_id AS holdId, call_id AS callId,
  create_ms AS createMs`;
export type StoredRouteFacts = Stored<RouteFacts, "keyVersion" | "priceVersion" | "createMs">;

export function toRouteFacts(row: StoredRouteFacts): RouteFacts {
  return {
    ...row,
    keyVersion: Number(row.keyVersion),
    priceVersion: Number(row.priceVersion),
    holdId: row.holdId ?? undefined,
    createMs: Number(row.createMs),
  };
}

export const TRANSFER_COLUMNS =
  "account, sequence, debit, credit, amount_nano AS amountNano, code, cause_id AS causeId, book_ms AS bookMs";
export type StoredTransfer = Stored<TransferRow, "sequence" | "bookMs">;

export function toTransfer(row: StoredTransfer): TransferRow {
  return { ...row, sequence: Number(row.sequence), bookMs: Number(row.bookMs) };
}

/** Every column of a rollup, by its own name. */
export type StoredRollup = Readonly<Record<string, bigint>> &
  Pick<RollupRow, "account" | "agent" | "kind" | "payer" | "provider" | "model">;

export function toRollup(row: StoredRollup): RollupRow {
  const quantities: Partial<Record<Component, bigint>> = {};
  for (const component of COMPONENTS) quantities[component] = row[component.toLowerCase()] ?? 0n;
  return {
    account: row.account,
    hour: Number(row["hour"]),
    agent: row.agent,
    kind: row.kind,
    payer: row.payer,
    provider: row.provider,
    model: row.model,
    charges: Number(row["charges"]),
    amountNano: row["amount_nano"] ?? 0n,
    listNano: row["list_nano"] ?? 0n,
    quantities: quantities as Record<Component, bigint>,
  };
}

export const PRICE_VERSION_COLUMNS =
  "version, content_hash AS contentHash, effective_ms AS effectiveMs, publish_ms AS publishMs, item_count AS itemCount";
export type StoredPriceVersion = Stored<PriceVersion, "version" | "effectiveMs" | "publishMs" | "itemCount">;

export function toPriceVersion(row: StoredPriceVersion): PriceVersion {
  return {
    version: Number(row.version),
    contentHash: row.contentHash,
    effectiveMs: Number(row.effectiveMs),
    publishMs: Number(row.publishMs),
    itemCount: Number(row.itemCount),
  };
}

export const PRICE_ITEM_COLUMNS =
  "component, provider, model, min_input_tokens AS minInputTokens, price_pico AS pricePico, unit_count AS unitCount";
export type StoredPriceItem = PriceItem;

/** Draws as JSON text: pairs of grant and amount. Written by hand, since it is made for every charge. */
export function fromDraws(draws: readonly Draw[]): string {
  let text = "[";
  for (const { grantId, amountNano } of draws)
    text += `${text === "[" ? "" : ","}[${JSON.stringify(grantId)},"${amountNano}"]`;
  return `${text}]`;
}

function toDraws(text: string): readonly Draw[] {
  return (JSON.parse(text) as [string, string][]).map(([grantId, amount]) => ({ grantId, amountNano: BigInt(amount) }));
}

/** Lines as JSON text: component, quantity, price, unit count, amount, list amount or nothing; words and digits only. */
export function fromLines(lines: readonly ChargeLine[]): string {
  let text = "[";
  for (const { component, quantity, pricePico, unitCount, amountNano, listNano } of lines) {
    text += `${text === "[" ? "" : ","}["${component}","${quantity}","${pricePico}","${unitCount}","${amountNano}","${listNano ?? ""}"]`;
  }
  return `${text}]`;
}

type LineFields = [ChargeLine["component"], string, string, string, string, string];

function toLines(text: string): readonly ChargeLine[] {
  return (JSON.parse(text) as LineFields[]).map(([component, quantity, pricePico, unitCount, amount, list]) => ({
    component,
    quantity: BigInt(quantity),
    pricePico: BigInt(pricePico),
    unitCount: BigInt(unitCount),
    amountNano: BigInt(amount),
    listNano: list === "" ? undefined : BigInt(list),
  }));
}

function toNumber(value: bigint | null): number | undefined {
  return value === null ? undefined : Number(value);
}
