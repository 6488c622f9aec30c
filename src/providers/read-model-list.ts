import { isPrintable } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import type { ModelListDescriptor, ModelListEndpoint, ProviderDescriptor } from "./descriptor.ts";
import { readPath } from "./json-path.ts";
import { looksLikeModelOf } from "./model-id.ts";

/** Visible ASCII, as all providers' ids are: what a person picks from a list must not be able to look like something else. */
const ID = /^[!-~]{1,256}$/;
const ALIASES_MAX = 32;
const CONTEXT_TOKENS_MAX = 1_000_000_000;

/** A model as its provider lists it. Nothing of it is free text: ids are visible ASCII, the name is printable. */
export interface ListedModel {
  readonly id: string;
  /** Absent: the list tells none. */
  readonly displayName?: string;
  readonly contextTokens?: number;
  /** Further ids of the same model. */
  readonly aliases?: readonly string[];
}

/** The chat models of one page of a list, and how many entries it had; undefined when no list stands where one should. */
export interface ListPage {
  readonly models: readonly ListedModel[];
  readonly entryCount: number;
}

/** Reads one page of a provider's list from its parsed body. Entries that are not understood are passed over: one strange one must not hide the others. */
export function readListPage(
  provider: ProviderDescriptor,
  endpoint: ModelListEndpoint,
  body: unknown,
): ListPage | undefined {
  const entries = endpoint.roots.map((root) => readPath(body, root)).find((found) => Array.isArray(found));
  if (entries === undefined) return undefined;
  return {
    models: entries.flatMap((entry: unknown) => readEntry(provider, entry)),
    entryCount: entries.length,
  };
}

function readEntry(provider: ProviderDescriptor, entry: unknown): ListedModel[] {
  const { idPath, namePath, contextLengthPath, aliasesPath, otherThanChat } = provider.models;
  const ids = [readPath(entry, idPath), ...arrayAt(entry, aliasesPath).slice(0, ALIASES_MAX)].filter(isModelId);
  // xAI may call a model "latest" and tell its name among the aliases.
  const id = aliasesPath === undefined ? ids[0] : (ids.find((one) => looksLikeModelOf(provider, one)) ?? ids[0]);
  if (id === undefined || !passesFilter(provider.models, entry) || otherThanChat?.test(id) === true) return [];
  const aliases = [...new Set(ids)].filter((one) => one !== id);
  const displayName = namePath === undefined ? undefined : readPath(entry, namePath);
  const contextTokens = contextLengthPath === undefined ? undefined : readPath(entry, contextLengthPath);
  return [
    {
      id,
      ...(isName(displayName) ? { displayName } : {}),
      ...(isContext(contextTokens) ? { contextTokens } : {}),
      ...(aliases.length === 0 ? {} : { aliases }),
    },
  ];
}

function passesFilter({ filter }: ModelListDescriptor, entry: unknown): boolean {
  if (filter === undefined) return true;
  const value = readPath(entry, filter.path);
  if ("equals" in filter) return value === filter.equals;
  if ("not" in filter) return value !== filter.not;
  return !Array.isArray(value) || value.includes(filter.includes);
}

function arrayAt(entry: unknown, path: string | undefined): readonly unknown[] {
  const value = path === undefined ? undefined : readPath(entry, path);
  return Array.isArray(value) ? value : [];
}

function isModelId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= LIMITS.modelMaxChars && isPrintable(value);
}

function isContext(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0 && Number(value) <= CONTEXT_TOKENS_MAX;
}
