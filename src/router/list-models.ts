import type { Clock } from "../base/clock.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import { decodePageToken, encodePageToken } from "../base/page-token.ts";
import { PLATFORM_ACCOUNT, type Provider } from "../base/provider.ts";
import type { ListedModel } from "../providers/read-model-list.ts";
import type { Catalogue } from "./catalogue.ts";
import { decide } from "./decide.ts";
import type { RoutingPolicy } from "./decision.ts";
import { type ModelFilter, matchesTexts, readModelFilter } from "./model-filter.ts";
import { parseModelName } from "./model-name.ts";
import { type ModelWay, wayOf } from "./model-way.ts";
import { type PickableModel, pickableModels } from "./pickable-models.ts";
import type {
  AccountModelList,
  HostedPrices,
  KeyDirectory,
  ModelIds,
  ModelLists,
  PolicyDirectory,
  PricesInForce,
  RoutableKey,
  TokenPrices,
} from "./ports.ts";

const LIST = "models";

/** What listing models needs. Nobody asks a provider here. */
export interface ListModelsDeps {
  readonly keys: KeyDirectory;
  readonly policyDirectory: Pick<PolicyDirectory, "policyOf">;
  readonly modelLists: Pick<ModelLists, "of" | "describe">;
  readonly hostedPrices: HostedPrices;
  readonly catalogue: Catalogue;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Which page of which account's models. */
export interface ListModelsInput {
  readonly account: string;
  /** As `readModelFilter` reads it. */
  readonly filter: string;
  /** 0 means the default; more than the maximum means the maximum (AIP-158). */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/** A model as a person picks it. */
export interface ModelRow extends Pick<PickableModel, "id" | "displayName">, ModelWay {
  readonly contextTokens?: number;
  readonly prices?: TokenPrices;
  /** When the list that names it was fetched; absent on rows that no list of the account's names. */
  readonly fetchedMs?: number;
}

/** A page of models, ordered by id, and how the lists of the account's keys are. */
export interface ModelsPage {
  readonly models: readonly ModelRow[];
  /** Empty: this was the last page. */
  readonly nextPageToken: string;
  readonly lists: readonly AccountModelList[];
}

/**
 * The models that an agent of the account could call: those that plori hosts, and those that the providers of its keys listed. Who serves each and who pays is
 * what `decide` says, so that a route can come out no other way. A page may hold fewer rows than asked for, or none, and still not be the last.
 * Throws FIELDS_INVALID.
 */
export async function listModels(deps: ListModelsDeps, input: ListModelsInput): Promise<ModelsPage> {
  const { account } = input;
  const { filter, afterId } = checkInput(input);
  const nowMs = deps.clock.nowMs();
  const [keys, platformKeys, modelIds, lists, priceOf, policy] = await Promise.all([
    deps.keys.keysOf(account),
    deps.keys.keysOf(PLATFORM_ACCOUNT),
    deps.modelLists.of(account),
    deps.modelLists.describe(account),
    deps.hostedPrices.inForce(nowMs),
    deps.policyDirectory.policyOf(account),
  ]);
  const facts = {
    catalogue: deps.catalogue,
    nowMs,
    policy,
    keys,
    platformKeys,
    modelIds,
    priceOf,
    listed: indexLists(lists),
  };
  const platformProviders = new Set(platformKeys.map(({ provider }) => provider));
  const models = pickableModels(deps.catalogue, platformProviders, lists).filter(
    ({ id, displayName }) => id > afterId && matchesTexts(filter, id, displayName),
  );
  const size = input.pageSize === 0 ? LIMITS.modelsPageDefault : Math.min(input.pageSize, LIMITS.modelsPageMax);
  const rows: ModelRow[] = [];
  for (const [index, model] of models.entries()) {
    const row = describeModel(facts, model);
    if (row !== undefined && matchesWay(filter, row)) rows.push(row);
    const isLast = index === models.length - 1;
    if (!isLast && (rows.length === size || index + 1 === LIMITS.modelsScannedMax)) {
      return { models: rows, nextPageToken: encodePageToken(LIST, account, encodeId(model.id)), lists };
    }
  }
  return { models: rows, nextPageToken: "", lists };
}

function checkInput({ account, filter, pageSize, pageToken }: ListModelsInput) {
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.check(account !== PLATFORM_ACCOUNT, "account", "is reserved for plori's own keys and runs no agents");
  const read = readModelFilter(filter);
  if (read.kind === "wrong") fields.check(false, "filter", read.problem);
  fields.check(pageSize >= 0, "page_size", "must not be negative");
  const after = pageToken === "" ? "" : decodePageToken(LIST, account, pageToken);
  fields.check(after !== undefined, "page_token", "must be the next_page_token of this account's page before");
  fields.done();
  return { filter: read.kind === "ok" ? read.filter : { texts: [] }, afterId: decodeId(after ?? "") };
}

/** Ids hold colons, which part a page token. */
function encodeId(id: string): string {
  return Buffer.from(id, "utf8").toString("base64url");
}

function decodeId(cursor: string): string {
  return Buffer.from(cursor, "base64url").toString("utf8");
}

interface Facts {
  readonly catalogue: Catalogue;
  readonly nowMs: number;
  readonly keys: readonly RoutableKey[];
  readonly platformKeys: readonly RoutableKey[];
  readonly policy: RoutingPolicy;
  readonly modelIds: ModelIds;
  readonly priceOf: PricesInForce;
  readonly listed: ReadonlyMap<Provider, IndexedList>;
}

interface IndexedList {
  readonly fetchedMs: number | undefined;
  readonly byId: ReadonlyMap<string, ListedModel>;
}

function indexLists(lists: readonly AccountModelList[]): ReadonlyMap<Provider, IndexedList> {
  return new Map(
    lists.map(({ provider, fetchedMs, models }) => [
      provider,
      { fetchedMs, byId: new Map(models.map((model) => [model.id, model])) },
    ]),
  );
}

/** The model with who serves it; undefined when nothing does, or when it would be hosted without a price: it is never free, so it cannot be had. */
function describeModel(facts: Facts, { id, displayName, twin }: PickableModel): ModelRow | undefined {
  const way = wayTo(facts, id);
  if (way === undefined || (twin !== undefined && isSameWay(way, wayTo(facts, twin)))) return undefined;
  const { payer, provider, upstreamModel } = way;
  const known = facts.catalogue.find(id);
  const prices = facts.priceOf({ provider, upstreamModel, canonicalModel: known?.id ?? "" });
  if (payer === "HOSTED" && prices === undefined) return undefined;
  const list = payer === "BYOK" ? facts.listed.get(provider) : undefined;
  const listed = list?.byId.get(upstreamModel);
  const contextTokens = listed?.contextTokens ?? known?.hosting?.contextTokens;
  return {
    id,
    displayName,
    ...way,
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(prices === undefined ? {} : { prices }),
    ...(listed === undefined || list?.fetchedMs === undefined ? {} : { fetchedMs: list.fetchedMs }),
  };
}

function wayTo({ modelIds: modelLists, ...facts }: Facts, id: string): ModelWay | undefined {
  const model = parseModelName(id);
  return wayOf(decide({ ...facts, model, pin: undefined, modelLists, everyCandidate: true }));
}

function isSameWay(one: ModelWay, other: ModelWay | undefined): boolean {
  return one.payer === other?.payer && one.provider === other.provider && one.upstreamModel === other.upstreamModel;
}

function matchesWay(filter: ModelFilter, { provider, payer }: ModelWay): boolean {
  return (
    (filter.provider === undefined || filter.provider === provider) &&
    (filter.payer === undefined || filter.payer === payer)
  );
}
