import { expect, test } from "vitest";
import { type ListOfProvider, ModelIdCache } from "../../../src/store/sqlite/model-id-cache.ts";

/** A cache over lists that a test names by account and digest; counts how often it looks. */
function openCache(lists: Map<string, readonly ListOfProvider[]>, ids: (digest: string) => ReadonlySet<string>) {
  const looked: string[] = [];
  const cache = new ModelIdCache(
    (account) => {
      looked.push(account);
      return lists.get(account) ?? [];
    },
    (digest) => {
      looked.push(digest);
      return ids(digest);
    },
  );
  return { cache, looked };
}

test("a warm account costs no look, also when it has nothing; the same map is handed out", () => {
  const { cache, looked } = openCache(new Map([["a", [{ provider: "groq", digest: "d" }]]]), () => new Set(["x"]));
  expect(cache.warm("a")).toBeUndefined();
  const first = cache.get("a");
  expect(first.get("groq")?.has("x")).toBe(true);
  expect(cache.get("nothing").size).toBe(0);
  expect(looked).toEqual(["a", "d", "nothing"]);
  expect(cache.warm("a")).toBe(first);
  expect(cache.get("a")).toBe(first);
  expect(cache.warm("nothing")).toBe(cache.get("nothing"));
  expect(looked).toHaveLength(3);
});

test("accounts with the same list share it in memory, and forgetting one leaves the other", () => {
  const list: readonly ListOfProvider[] = [{ provider: "openai", digest: "d" }];
  const { cache, looked } = openCache(
    new Map([
      ["a", list],
      ["b", list],
    ]),
    () => new Set(["x"]),
  );
  expect(cache.get("a").get("openai")).toBe(cache.get("b").get("openai"));
  expect(looked).toEqual(["a", "d", "b"]);
  cache.forget("a");
  expect(cache.warm("a")).toBeUndefined();
  expect(cache.warm("b")).toBeDefined();
  cache.forgetAll();
  expect(cache.warm("b")).toBeUndefined();
});

test("memory is bounded by ids: the lists that were looked at longest ago go, and the accounts that hold them with them", () => {
  const ids = (digest: string): ReadonlySet<string> =>
    new Set(Array.from({ length: 5_000 }, (_none, index) => `${digest}/${index}`));
  const accounts = Array.from({ length: 120 }, (_none, index) => `account-${index}`);
  const lists = new Map(
    accounts.map((account) => [account, [{ provider: "together", digest: `of-${account}` }] as const]),
  );
  const { cache } = openCache(lists, ids);
  for (const account of accounts) expect(cache.get(account).get("together")?.size).toBe(5_000);
  const warm = accounts.filter((account) => cache.warm(account) !== undefined);
  expect(warm).toEqual(accounts.slice(-99));
  expect(cache.get("account-0").get("together")?.has("of-account-0/7")).toBe(true);
});
