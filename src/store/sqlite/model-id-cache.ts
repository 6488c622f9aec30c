import { LRUCache } from "lru-cache";
import type { Provider } from "../../base/provider.ts";
import type { ModelIds } from "../../router/ports.ts";

/** Accounts whose map from provider to ids is kept. */
const ACCOUNTS_MAX = 50_000;
/** Ids kept over all lists; a list that many accounts share counts once. */
const IDS_MAX = 500_000;
const NONE: ModelIds = new Map();

/** Which list an account has of a provider. */
export interface ListOfProvider {
  readonly provider: Provider;
  /** Hexadecimal. */
  readonly digest: string;
}

interface Content {
  readonly ids: ReadonlySet<string>;
  /** The accounts in memory that hold it: they are dropped with it, or its ids would stay. */
  readonly users: Set<string>;
}

interface Kept {
  readonly ids: ModelIds;
  readonly lists: readonly ListOfProvider[];
}

/**
 * The model ids of the hot set, for every route's decision. As with `RowCache`, an entry is right until `forget`; unlike there, having nothing is remembered,
 * since only accounts with keys are asked about. Lists are shared by their digest, so that a thousand accounts with OpenAI's list hold it once.
 */
export class ModelIdCache {
  readonly #accounts = new LRUCache<string, Kept>({
    max: ACCOUNTS_MAX,
    dispose: ({ lists }, account) => {
      for (const { digest } of lists) this.#contents.peek(digest)?.users.delete(account);
    },
  });
  readonly #contents = new LRUCache<string, Content>({
    maxSize: IDS_MAX,
    sizeCalculation: ({ ids }) => ids.size + 1,
    dispose: ({ users }) => {
      for (const account of [...users]) this.#accounts.delete(account);
    },
  });
  readonly #listsOf: (account: string) => readonly ListOfProvider[];
  readonly #idsOf: (digest: string) => ReadonlySet<string>;

  constructor(listsOf: (account: string) => readonly ListOfProvider[], idsOf: (digest: string) => ReadonlySet<string>) {
    this.#listsOf = listsOf;
    this.#idsOf = idsOf;
  }

  /** The account's ids, if they are in memory. */
  warm(account: string): ModelIds | undefined {
    return this.#accounts.get(account)?.ids;
  }

  /** The account's ids, from memory or the database. */
  get(account: string): ModelIds {
    return this.warm(account) ?? this.#load(account);
  }

  forget(account: string): void {
    this.#accounts.delete(account);
  }

  /** Forgets every account, after a change of what all of them are told. */
  forgetAll(): void {
    this.#accounts.clear();
  }

  #load(account: string): ModelIds {
    const lists = this.#listsOf(account);
    if (lists.length === 0) {
      this.#accounts.set(account, { ids: NONE, lists });
      return NONE;
    }
    const ids = new Map<Provider, ReadonlySet<string>>();
    for (const { provider, digest } of lists) {
      const content = this.#contents.get(digest) ?? { ids: this.#idsOf(digest), users: new Set<string>() };
      content.users.add(account);
      this.#contents.set(digest, content);
      ids.set(provider, content.ids);
    }
    this.#accounts.set(account, { ids, lists });
    return ids;
  }
}
