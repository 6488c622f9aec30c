import type { DescEnum } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { formatCredits, fromCredits } from "../base/credits.ts";
import {
  CallOutcomeSchema,
  type Charge,
  Component,
  UsageKindSchema,
  UsageStateSchema,
} from "../gen/plori/ledger/v1/ledger_pb.ts";
import { type Credits, PayerSchema, ProviderSchema } from "../gen/plori/type/v1/type_pb.ts";
import { textCell } from "./csv.ts";

interface Column {
  readonly name: string;
  readonly cell: (charge: Charge) => string;
}

const COLUMNS: readonly Column[] = [
  { name: "account", cell: ({ account }) => textCell(account) },
  { name: "sequence", cell: ({ sequence }) => String(sequence) },
  { name: "record_time", cell: ({ recordTime }) => timeCell(recordTime) },
  { name: "occur_time", cell: ({ occurTime }) => timeCell(occurTime) },
  { name: "kind", cell: ({ kind }) => word(UsageKindSchema, kind) },
  { name: "usage_id", cell: ({ usageId }) => textCell(usageId) },
  { name: "reverses", cell: ({ reverses }) => textCell(reverses) },
  { name: "agent", cell: ({ agent }) => textCell(agent) },
  { name: "payer", cell: ({ payer }) => word(PayerSchema, payer) },
  { name: "amount", cell: ({ amount }) => creditsCell(amount) },
  { name: "list_amount", cell: ({ listAmount }) => creditsCell(listAmount) },
  { name: "overdraft_amount", cell: ({ overdraftAmount }) => creditsCell(overdraftAmount) },
  { name: "usage_state", cell: ({ usageState }) => word(UsageStateSchema, usageState) },
  { name: "price_version", cell: ({ priceVersion }) => textCell(priceVersion) },
  { name: "provider", cell: ({ provider }) => word(ProviderSchema, provider) },
  { name: "model", cell: ({ model }) => textCell(model) },
  { name: "upstream_model", cell: ({ upstreamModel }) => textCell(upstreamModel) },
  { name: "call_id", cell: ({ callId }) => textCell(callId) },
  { name: "attempt", cell: ({ attempt }) => (attempt === 0 ? "" : String(attempt)) },
  { name: "outcome", cell: ({ outcome }) => word(CallOutcomeSchema, outcome) },
  { name: "route", cell: ({ route }) => textCell(route) },
  { name: "hold", cell: ({ hold }) => textCell(hold) },
  { name: "key_version", cell: ({ keyVersion }) => (keyVersion === 0n ? "" : String(keyVersion)) },
  {
    name: "provider_cost_usd",
    cell: ({ providerCostUsdNanos: cost }) => (cost === undefined ? "" : formatCredits(cost)),
  },
  { name: "provider_request_id", cell: ({ providerRequestId }) => textCell(providerRequestId) },
  quantity("input_uncached_tokens", Component.INPUT_UNCACHED),
  quantity("cache_read_tokens", Component.CACHE_READ),
  quantity("cache_write_tokens", Component.CACHE_WRITE),
  quantity("output_tokens", Component.OUTPUT),
  quantity("reasoning_tokens", Component.REASONING),
  quantity("vcpu_milliseconds", Component.VCPU),
  quantity("memory_mib_milliseconds", Component.MEMORY),
  quantity("disk_byte_seconds", Component.DISK),
  { name: "labels", cell: ({ labels }) => labelsCell(labels) },
];

/** The names of the columns, in their order. The first three tell where a file ends, so that it can be continued. */
export const HEADER: readonly string[] = COLUMNS.map(({ name }) => name);

/** A charge as cells in the order of `HEADER`: amounts in credits, as exact decimals; times in UTC; labels as a JSON object, its names sorted. */
export function chargeCells(charge: Charge): readonly string[] {
  return COLUMNS.map(({ cell }) => cell(charge));
}

/** What a charge cost, in nano-credits. */
export function amountNano({ amount, name }: Charge): bigint {
  const nano = amount === undefined ? undefined : fromCredits(amount);
  if (nano === undefined) throw new Error(`${name} came without an amount`);
  return nano;
}

/** An enum's value without its prefix; empty for none, its number for one that is newer than this program. */
function word(schema: DescEnum, number: number): string {
  return number === 0 ? "" : (schema.value[number]?.localName ?? String(number));
}

function quantity(name: string, component: Component): Column {
  return { name, cell: ({ lines }) => String(lines.find((line) => line.component === component)?.quantity ?? "") };
}

function creditsCell(credits: Credits | undefined): string {
  const nano = credits === undefined ? undefined : fromCredits(credits);
  return nano === undefined ? "" : formatCredits(nano);
}

function timeCell(time: Timestamp | undefined): string {
  if (time === undefined) return "";
  return new Date(Number(time.seconds) * 1_000 + Math.floor(time.nanos / 1_000_000)).toISOString();
}

function labelsCell(labels: Readonly<Record<string, string>>): string {
  const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? "" : JSON.stringify(Object.fromEntries(entries));
}
