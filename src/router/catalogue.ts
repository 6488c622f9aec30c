import { invariant } from "../base/errors.ts";
import type { CatalogueModel } from "./catalogue/catalogue-model.ts";
import { FIRST_PARTY_MODELS } from "./catalogue/first-party-models.ts";
import { FRONTIER_MODELS } from "./catalogue/frontier-models.ts";
import { OPEN_WEIGHT_MODELS } from "./catalogue/open-weight-models.ts";

/** The models that plori knows, by every id that names them. */
export interface Catalogue {
  readonly models: readonly CatalogueModel[];
  /** The model with that canonical id, or with that id at some provider: exact and case-sensitive. */
  find(id: string): CatalogueModel | undefined;
}

/** A catalogue of these models. No id may name two of them. */
export function createCatalogue(models: readonly CatalogueModel[]): Catalogue {
  const byId = new Map<string, CatalogueModel>();
  for (const model of models) {
    for (const id of new Set([model.id, ...Object.values(model.ids)])) {
      invariant(!byId.has(id), `"${id}" names two models of the catalogue`);
      byId.set(id, model);
    }
  }
  return { models, find: (id) => byId.get(id) };
}

/** The catalogue that this version of plori comes with. */
export const CATALOGUE: Catalogue = createCatalogue([...FIRST_PARTY_MODELS, ...FRONTIER_MODELS, ...OPEN_WEIGHT_MODELS]);
