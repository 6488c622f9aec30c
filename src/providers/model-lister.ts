import { LIMITS } from "../base/limits.ts";
import type { Provider } from "../base/provider.ts";
import type { Secret } from "../base/secret.ts";
import { askProvider, type BoundedAnswer } from "./ask.ts";
import { baseUrlOf } from "./base-url.ts";
import { isSendable, questionHeaders } from "./credential-headers.ts";
import type { ModelListEndpoint, ProviderDescriptor } from "./descriptor.ts";
import { describeProvider } from "./descriptors.ts";
import { readPath } from "./json-path.ts";
import { type ListedModel, readListPage } from "./read-model-list.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** Why there is no list: words of ours, never the provider's. */
export type ListFailure =
  /** No answer in time, or none at all. */
  | "UNREACHABLE"
  /** An answer other than a list: the key may not ask, the provider is in trouble, or it sent us elsewhere. */
  | "REFUSED"
  /** More models, bytes or pages than we believe a provider. */
  | "TOO_LARGE"
  /** No list could be found in the answer. */
  | "NOT_A_LIST";

/** What asking for a list came to. `models` are in the provider's order, each id once. */
export type ListOutcome =
  | { readonly kind: "listed"; readonly models: readonly ListedModel[] }
  | { readonly kind: "failed"; readonly failure: ListFailure; readonly retryAfterMs?: number };

/** Asks providers which models there are. */
export interface ModelLister {
  /**
   * The chat models that the key may use; without a secret: those of the provider's public list. Never throws for what the provider or the network does,
   * nor when `signal` aborts. The secret stays the caller's to wipe.
   */
  list(provider: Provider, secret: Secret | undefined, signal: AbortSignal): Promise<ListOutcome>;
}

/** What a lister needs. `urls`: origins that replace the providers' own (`parseProviderUrls`). */
export interface ModelListerOptions {
  readonly urls?: Readonly<Partial<Record<Provider, string>>>;
  readonly fetch?: typeof fetch;
  readonly clock: { readonly nowMs: () => number; readonly monotonicMs: () => number };
  /** For the whole list, all of its pages together. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 10_000;
const OK = 200;
const NOT_FOUND = 404;

/** A lister over HTTP. It keeps nothing and logs nothing. Redirects are not followed, nor is a link to the next page: no answer names whom we ask. */
export function createModelLister(options: ModelListerOptions): ModelLister {
  return {
    async list(slug, secret, signal) {
      const provider = describeProvider(slug);
      if (secret !== undefined && !isSendable(secret)) return failed("REFUSED");
      const { models, baseUrl } = provider;
      const base = baseUrlOf({ baseUrl }, options.urls?.[slug]);
      const asking: Asking = { options, provider, base, secret, signal, endMs: endOf(options) };
      const path = secret === undefined ? (models.publicPath ?? models.path) : models.path;
      const outcome = await listPages(asking, { path, roots: models.roots });
      if (outcome !== "not-there") return outcome;
      const again = models.fallback === undefined ? "not-there" : await listPages(asking, models.fallback);
      return again === "not-there" ? failed("REFUSED") : again;
    },
  };
}

interface Asking {
  readonly options: ModelListerOptions;
  readonly provider: ProviderDescriptor;
  readonly base: string;
  readonly secret: Secret | undefined;
  readonly signal: AbortSignal;
  /** By the monotonic clock. */
  readonly endMs: number;
}

function endOf({ clock, deadlineMs = DEADLINE_MS }: ModelListerOptions): number {
  return clock.monotonicMs() + deadlineMs;
}

async function listPages(asking: Asking, endpoint: ModelListEndpoint): Promise<ListOutcome | "not-there"> {
  const { provider } = asking;
  const { pagination } = provider.models;
  const found = new Map<string, ListedModel>();
  let bytesLeft = LIMITS.modelListMaxBytes;
  let entries = 0;
  for (let page = 0; page < LIMITS.modelListPagesMax; page += 1) {
    // The first page is asked for without bounds: most lists come whole.
    const query = page === 0 || pagination === undefined ? "" : `?offset=${entries}&limit=${pagination.pageMax}`;
    const answer = await askPage(asking, `${endpoint.path}${query}`, bytesLeft);
    if (answer === undefined) return failed("UNREACHABLE");
    if (answer.status === NOT_FOUND) return "not-there";
    if (answer.status !== OK)
      return failed("REFUSED", parseRetryAfter(answer.retryAfter, asking.options.clock.nowMs()));
    if (answer.truncated) return failed("TOO_LARGE");
    bytesLeft -= answer.bodyText.length;
    const body = parseJson(answer.bodyText);
    const read = readListPage(provider, endpoint, body);
    if (read === undefined) return failed("NOT_A_LIST");
    entries += read.entryCount;
    for (const model of read.models) if (!found.has(model.id)) found.set(model.id, model);
    if (entries > LIMITS.modelListMax || bytesLeft <= 0) return failed("TOO_LARGE");
    const next = pagination === undefined ? undefined : readPath(body, pagination.nextPath);
    if (typeof next !== "string" || next === "" || read.entryCount === 0) return listed(found);
  }
  return failed("TOO_LARGE");
}

async function askPage(
  { options, provider, base, secret, signal, endMs }: Asking,
  path: string,
  bodyMaxBytes: number,
): Promise<BoundedAnswer | undefined> {
  const deadlineMs = endMs - options.clock.monotonicMs();
  if (deadlineMs <= 0) return undefined;
  try {
    const headers = questionHeaders(provider, secret);
    return await askProvider(options.fetch ?? fetch, {
      url: `${base}${path}`,
      headers,
      signal,
      deadlineMs,
      bodyMaxBytes,
    });
  } catch {
    // What fetch throws may quote the URL or a header; that no list came is all that matters here.
    return undefined;
  }
}

function listed(found: ReadonlyMap<string, ListedModel>): ListOutcome {
  return { kind: "listed", models: [...found.values()] };
}

function failed(failure: ListFailure, retryAfterMs?: number): ListOutcome {
  return { kind: "failed", failure, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What is no JSON holds no list.
    return undefined;
  }
}
