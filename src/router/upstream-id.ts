import type { Provider } from "../base/provider.ts";
import type { CatalogueModel } from "./catalogue/catalogue-model.ts";
import type { ModelName } from "./model-name.ts";
import { guessUpstreamId } from "./patterns.ts";

/**
 * The id under which the provider knows the model; empty when it does not. A qualified id is its provider's own, verbatim. Otherwise the
 * catalogue first (`known`), then the list that the provider gave for the account's key, then the look of the name, and that only for names
 * that the catalogue does not know. A pinned provider takes an unknown name as it is: any model id may be pasted (R8).
 */
export function upstreamIdAt(
  provider: Provider,
  model: ModelName,
  known: CatalogueModel | undefined,
  listed: ReadonlySet<string> | undefined,
  pinned: boolean,
): string {
  if (model.qualifiedBy !== undefined) return model.qualifiedBy === provider ? model.id : "";
  const catalogued = known?.ids[provider];
  if (catalogued !== undefined) return catalogued;
  if (listed?.has(model.id) === true) return model.id;
  if (known !== undefined) return "";
  return guessUpstreamId(provider, model.id) ?? (pinned ? model.id : "");
}
