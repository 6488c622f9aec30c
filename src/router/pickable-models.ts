import type { Provider } from "../base/provider.ts";
import { describeProvider } from "../providers/descriptors.ts";
import type { ListedModel } from "../providers/read-model-list.ts";
import type { Catalogue } from "./catalogue.ts";
import type { AccountModelList } from "./ports.ts";

/** A model that a person may pick, before anybody decided who serves it. */
export interface PickableModel {
  /** What ResolveRoute takes: the canonical id, or the provider's own where the catalogue does not know the model. */
  readonly id: string;
  readonly displayName: string;
  /** The same id after its maker's name, when that is to pick as well: one of them is enough if both come to the same. */
  readonly twin?: string | undefined;
}

/**
 * The models to pick from, ordered by id: those that the catalogue sells and a platform key's provider serves, and those that the account's own lists name.
 * A model that several lists name is there once.
 */
export function pickableModels(
  catalogue: Pick<Catalogue, "models" | "find">,
  platformProviders: ReadonlySet<Provider>,
  lists: readonly AccountModelList[],
): readonly PickableModel[] {
  const names = new Map<string, string>();
  for (const { id, displayName, ids, hosting } of catalogue.models) {
    const served = (Object.keys(ids) as Provider[]).some((provider) => platformProviders.has(provider));
    if (hosting !== undefined && served) names.set(id, displayName);
  }
  for (const { provider, models } of lists) {
    for (const listed of models) {
      const known = catalogue.find(listed.id);
      // Another provider's id for the model is not this one's: under the canonical name the call would not find its way here.
      const id = known?.ids[provider] === listed.id ? known.id : listed.id;
      if (!names.has(id)) names.set(id, known?.displayName ?? nameOf(listed));
    }
  }
  const twins = twinsOf(names, lists);
  return [...names]
    .map(([id, displayName]) => ({ id, displayName, ...(twins.has(id) ? { twin: twins.get(id) } : {}) }))
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** A maker's new model stands in its own list by its bare id, and in OpenRouter's with its author: both names may lead to the maker's own key. */
function twinsOf(names: ReadonlyMap<string, string>, lists: readonly AccountModelList[]): ReadonlyMap<string, string> {
  const twins = new Map<string, string>();
  for (const { provider, models } of lists) {
    const { firstPartyAuthor } = describeProvider(provider).modelIds;
    if (firstPartyAuthor === undefined) continue;
    for (const { id } of models) {
      const twin = `${firstPartyAuthor}/${id}`;
      if (names.has(id) && names.has(twin)) twins.set(id, twin);
    }
  }
  return twins;
}

function nameOf({ id, displayName }: ListedModel): string {
  return displayName ?? id;
}
