import { create } from "@bufbuild/protobuf";
import { decimalText } from "../../base/decimal-text.ts";
import { KeyState as KeyStateNumber } from "../../gen/plori/keyvault/v1/keyvault_pb.ts";
import {
  type Model,
  type ModelList,
  ModelListSchema,
  type ModelPrice,
  ModelPriceSchema,
  ModelSchema,
  ModelListState as StateNumber,
} from "../../gen/plori/router/v1/model_pb.ts";
import type { ModelRow } from "../../router/list-models.ts";
import type { AccountModelList, TokenPrices } from "../../router/ports.ts";
import { stateNumber } from "./key-message.ts";
import { toTimestamp } from "./times.ts";
import { payerNumber, providerNumber } from "./words.ts";

const PICO_PLACES = 12;

const LIST_STATE_NUMBERS = {
  FETCHED: StateNumber.FETCHED,
  PENDING: StateNumber.PENDING,
  FAILED: StateNumber.FAILED,
} as const satisfies Record<AccountModelList["state"], StateNumber>;

/** A model to pick, as the API shows it. */
export function modelMessage(row: ModelRow): Model {
  return create(ModelSchema, {
    id: row.id,
    displayName: row.displayName,
    provider: providerNumber(row.provider),
    payer: payerNumber(row.payer),
    upstreamModel: row.upstreamModel,
    contextLength: BigInt(row.contextTokens ?? 0),
    keyState: row.keyState === undefined ? KeyStateNumber.UNSPECIFIED : stateNumber(row.keyState),
    ...(row.prices === undefined ? {} : { price: priceMessage(row.prices) }),
    ...(row.fetchedMs === undefined ? {} : { listFetchTime: toTimestamp(row.fetchedMs) }),
  });
}

/** How a list of an account's is. */
export function modelListMessage({ provider, state, fetchedMs, models }: AccountModelList): ModelList {
  return create(ModelListSchema, {
    provider: providerNumber(provider),
    state: LIST_STATE_NUMBERS[state],
    modelCount: models.length,
    ...(fetchedMs === undefined ? {} : { fetchTime: toTimestamp(fetchedMs) }),
  });
}

function priceMessage(prices: TokenPrices): ModelPrice {
  const text = (pico: bigint | undefined): string => (pico === undefined ? "" : decimalText(pico, PICO_PLACES));
  return create(ModelPriceSchema, {
    input: text(prices.inputPico),
    output: text(prices.outputPico),
    cacheRead: text(prices.cacheReadPico),
    cacheWrite: text(prices.cacheWritePico),
  });
}
