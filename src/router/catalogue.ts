import { readFileSync } from "node:fs";
import { invariant } from "../base/errors.ts";
import type { CatalogueModel } from "./catalogue/catalogue-model.ts";
import { readModelLines } from "./catalogue/model-lines.ts";

/** Where the models stand. */
export const MODELS_FILE = new URL("./catalogue/models.jsonl", import.meta.url);

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
export const CATALOGUE: Catalogue = createCatalogue(readModelLines(readFileSync(MODELS_FILE, "utf8")));
