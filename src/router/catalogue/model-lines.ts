import { invariant } from "../../base/errors.ts";
import { isPrintable } from "../../base/fields.ts";
import { PROVIDERS, type Provider } from "../../base/provider.ts";
import type { CatalogueModel, Hosting, ListPrice, UsdPerMillionTokens } from "./catalogue-model.ts";

const ID = /^[!-~]{1,256}$/;
/** A dollar a thousand tokens: nothing costs as much. */
const USD_MAX = 1_000;
const TOKENS_MAX = 100_000_000;
const MODEL_FIELDS = ["id", "name", "ids", "contextTokens", "maxOutputTokens", "usd"];
const PRICE_FIELDS = ["input", "output", "cacheRead", "cacheWrite"];

/** Reads models from JSON, one a line. Throws at the first line that is not a sound model, and says which: a catalogue is right as a whole, or not used. */
export function readModelLines(text: string): readonly CatalogueModel[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line, index) => {
      try {
        return readModel(recordOf(JSON.parse(line), MODEL_FIELDS));
      } catch (error) {
        throw new Error(`line ${index + 1} of the catalogue is no sound model`, { cause: error });
      }
    });
}

/** Models as JSON, one a line, ordered by id: what `readModelLines` reads. The order of everything is fixed, so that differences show what differs. */
export function writeModelLines(models: readonly CatalogueModel[]): string {
  const ordered = models.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  return ordered.map((model) => `${JSON.stringify(lineOf(model))}\n`).join("");
}

function readModel(line: Line): CatalogueModel {
  const { id, name, ids, contextTokens, maxOutputTokens, usd } = line;
  invariant(isId(id), "the id is 1-256 visible characters");
  invariant(
    typeof name === "string" && name !== "" && name.length <= 256 && isPrintable(name),
    "the name is printable",
  );
  const hosts = recordOf(ids, PROVIDERS);
  invariant(Object.keys(hosts).length > 0, "some provider serves it");
  invariant(Object.values(hosts).every(isId), "every id is 1-256 visible characters");
  const model = { id, displayName: name, ids: hosts as Partial<Record<Provider, string>> };
  if (usd === undefined) return model;
  invariant(isTokens(contextTokens) && isTokens(maxOutputTokens), "sizes are whole numbers");
  invariant(maxOutputTokens <= contextTokens, "output is a part of the context");
  return { ...model, hosting: { contextTokens, maxOutputTokens, listPrice: readListPrice(usd) } };
}

function readListPrice(value: unknown): ListPrice {
  const { long, ...rest } = recordOf(value, [...PRICE_FIELDS, "long"]);
  const base = readPrice(rest);
  if (long === undefined) return base;
  const { aboveInputTokens, ...further } = recordOf(long, [...PRICE_FIELDS, "aboveInputTokens"]);
  invariant(isTokens(aboveInputTokens), "long calls begin at a whole number");
  return { ...base, long: { ...readPrice(further), aboveInputTokens } };
}

function readPrice({ input, output, cacheRead, cacheWrite }: Line): UsdPerMillionTokens {
  invariant(isPrice(input) && isPrice(output), "input and output have prices");
  invariant(cacheRead === undefined || isPrice(cacheRead), "reading the cache has a price, or none of its own");
  invariant(cacheWrite === undefined || isPrice(cacheWrite), "writing the cache has a price, or none of its own");
  return {
    input,
    output,
    ...(cacheRead === undefined ? {} : { cacheRead }),
    ...(cacheWrite === undefined ? {} : { cacheWrite }),
  };
}

type Line = Readonly<Record<string, unknown>>;

/** A plain object with none but these fields. */
function recordOf(value: unknown, fields: readonly string[]): Line {
  invariant(typeof value === "object" && value !== null && !Array.isArray(value), "an object stands where one should");
  const record: Line = { ...value };
  invariant(
    Object.keys(record).every((field) => fields.includes(field)),
    `no fields but ${fields.join(", ")}`,
  );
  return record;
}

function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

function isTokens(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0 && Number(value) <= TOKENS_MAX;
}

/** A price of nothing is none that we sell at. */
function isPrice(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value <= USD_MAX;
}

function lineOf({ id, displayName, ids, hosting }: CatalogueModel): Line {
  const hosts = Object.fromEntries(
    PROVIDERS.flatMap((provider) => (ids[provider] === undefined ? [] : [[provider, ids[provider]]])),
  );
  return { id, name: displayName, ids: hosts, ...(hosting === undefined ? {} : hostingFields(hosting)) };
}

function hostingFields({ contextTokens, maxOutputTokens, listPrice: { long, ...base } }: Hosting): Line {
  const further = long && { aboveInputTokens: long.aboveInputTokens, ...priceFields(long) };
  const usd = { ...priceFields(base), ...(further === undefined ? {} : { long: further }) };
  return { contextTokens, maxOutputTokens, usd };
}

function priceFields(price: UsdPerMillionTokens): Line {
  return Object.fromEntries(
    PRICE_FIELDS.flatMap((field) => {
      const value = price[field as keyof UsdPerMillionTokens];
      return value === undefined ? [] : [[field, value]];
    }),
  );
}
