import type { Provider } from "../../base/provider.ts";
import { type DueList, EVERYBODY, type ModelListStore } from "../../keyvault/model-list-ports.ts";
import type { ListedModel } from "../../providers/read-model-list.ts";
import type { AccountModelList, ModelLists } from "../../router/ports.ts";
import { ModelIdCache } from "./model-id-cache.ts";
import type { Connection } from "./open-database.ts";
import { IS_READABLE, toProvider } from "./rows.ts";
import type { Writer } from "./writer.ts";

/** The lists of the account's own keys, and those that everybody is told if the account has a key for them. Takes `@account`. */
const ITS_LISTS = `model_list WHERE (account = @account OR (account = '${EVERYBODY}' AND EXISTS
  (SELECT 1 FROM provider_key WHERE provider_key.account = @account AND provider_key.provider = model_list.provider)))`;

/** Lists of models in SQLite: what KeyVault keeps up to date, and what the router sees of it. `forget` drops what is kept in memory of an account. */
export function createModelListStore(
  reader: Connection,
  writer: Writer,
): { modelListStore: ModelListStore; modelLists: ModelLists; forget: (account: string) => void } {
  const selectDue = reader.prepare(
    `SELECT account, key_id AS keyId, provider, key_version AS version, failures, fetched_ms AS fetchedMs FROM model_list INDEXED BY model_list_due
     WHERE due_ms <= ? AND ${IS_READABLE} ORDER BY due_ms LIMIT ?`,
  );
  const selectDigests = reader.prepare(
    `SELECT provider, lower(hex(digest)) AS digest FROM ${ITS_LISTS} AND ${IS_READABLE}`,
  );
  const selectContent = reader.prepare("SELECT models FROM model_list_content WHERE digest = unhex(?)");
  const selectLists = reader.prepare(
    `SELECT provider, fetched_ms AS fetchedMs, failures, (SELECT models FROM model_list_content AS content
       WHERE content.digest = model_list.digest) AS models FROM ${ITS_LISTS} AND ${IS_READABLE} ORDER BY provider`,
  );
  const readModels = (digest: string): readonly ListedModel[] =>
    parseModels((selectContent.get(digest) as { models: string } | undefined)?.models);
  const cache = new ModelIdCache(
    (account) =>
      (selectDigests.all({ account }) as { provider: string; digest: string }[])
        .filter(({ digest }) => digest !== "")
        .map(({ provider, digest }) => ({ provider: toProvider(provider), digest })),
    (digest) => new Set(readModels(digest).flatMap(({ id, aliases = [] }) => [id, ...aliases])),
  );
  const modelListStore: ModelListStore = {
    async due(nowMs, limit) {
      return (selectDue.all(nowMs, limit) as DueRow[]).map(toDueList);
    },
    defer: (list, dueMs, why) => writer.submit("deferModelList", { list, dueMs, why }),
    async put(list, fetched) {
      await writer.submit("putModelList", { list, fetched });
      if (list.account === EVERYBODY) cache.forgetAll();
      else cache.forget(list.account);
    },
  };
  const modelLists: ModelLists = {
    warm: (account) => cache.warm(account),
    of: async (account) => cache.get(account),
    describe: async (account) => (selectLists.all({ account }) as ListRow[]).map(toAccountModelList),
  };
  return { modelListStore, modelLists, forget: (account) => cache.forget(account) };
}

interface DueRow {
  readonly account: string;
  readonly keyId: string;
  readonly provider: string;
  readonly version: bigint;
  readonly failures: bigint;
  readonly fetchedMs: bigint | null;
}

function toDueList({ account, keyId, provider, version, failures, fetchedMs }: DueRow): DueList {
  return {
    account,
    keyId,
    provider: toProvider(provider),
    version: Number(version),
    failures: Number(failures),
    isFirst: failures === 0n && fetchedMs === null,
  };
}

interface ListRow {
  readonly provider: string;
  readonly fetchedMs: bigint | null;
  readonly failures: bigint;
  readonly models: string | null;
}

function toAccountModelList(row: ListRow): AccountModelList {
  const provider: Provider = toProvider(row.provider);
  const models = parseModels(row.models ?? undefined);
  const state = row.failures > 0n ? "FAILED" : row.fetchedMs === null ? "PENDING" : "FETCHED";
  return { provider, state, models, ...(row.fetchedMs === null ? {} : { fetchedMs: Number(row.fetchedMs) }) };
}

/** What `putModelList` wrote. */
function parseModels(text: string | undefined): readonly ListedModel[] {
  return text === undefined ? [] : (JSON.parse(text) as ListedModel[]);
}
