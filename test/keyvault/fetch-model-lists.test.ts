import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError } from "../../src/base/errors.ts";
import { Secret } from "../../src/base/secret.ts";
import { type ListFetcherOptions, startListFetcher } from "../../src/keyvault/fetch-model-lists.ts";
import { type DueList, EVERYBODY, type FetchedList } from "../../src/keyvault/model-list-ports.ts";
import type { KeyState, StoredKey } from "../../src/keyvault/ports.ts";
import type { ListOutcome } from "../../src/providers/model-lister.ts";

const NOW_MS = 1_790_000_000_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const LISTED: ListOutcome = { kind: "listed", models: [{ id: "a" }] };
const GROQ: DueList = { account: "acct-1", keyId: "groq", version: 2, provider: "groq", failures: 0, isFirst: false };

interface Deferred {
  readonly waitMs: number;
  readonly why: string;
}

/** A fetcher with one list that is due; resolves when it is done with it. */
async function fetchOne(
  list: DueList,
  parts: Partial<ListFetcherOptions> & { readonly outcome?: ListOutcome; readonly state?: KeyState } = {},
) {
  const clock = manualClock(NOW_MS);
  const deferred: Deferred[] = [];
  const put: FetchedList[] = [];
  const asked: { readonly provider: string; readonly secret: Secret | undefined }[] = [];
  const warnings: unknown[] = [];
  const opened: Secret[] = [];
  const due = [list];
  let tick = (): void => {};
  const fetcher = startListFetcher({
    lists: {
      due: async () => due.splice(0),
      async defer(_list, dueMs, why) {
        deferred.push({ waitMs: dueMs - NOW_MS - 1_000, why });
      },
      async put(_list, fetched) {
        put.push(fetched);
      },
    },
    keys: { load: async () => storedKey(parts.state ?? "ACTIVE") },
    opener: {
      async open() {
        const secret = Secret.fromText("the-credential");
        opened.push(secret);
        return secret;
      },
    },
    lister: {
      async list(provider, secret) {
        asked.push({ provider, secret });
        return parts.outcome ?? LISTED;
      },
    },
    probeBudget: { take() {} },
    clock,
    timers: {
      after(_ms, run) {
        tick = run;
        return () => {};
      },
    },
    log: { warn: (message, fields) => warnings.push({ message, fields }) },
    listsPerMinute: 60,
    random: () => 0,
    ...parts,
  });
  clock.advance(1_000);
  tick();
  // What runs needs no timer: it is done when everything that waits has had its turn.
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await fetcher.close();
  return { deferred, put, asked, warnings, opened };
}

function storedKey(state: KeyState): StoredKey {
  const { account, keyId, provider, version } = GROQ;
  return {
    record: {
      account,
      keyId,
      provider,
      version,
      revision: 1,
      source: "PASTED",
      state,
      stateReason: "",
      createMs: NOW_MS,
    },
    sealed: { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) },
  };
}

test("a list is asked for with the account's key, kept, and due again in a day; the credential is wiped", async () => {
  const { put, asked, opened, deferred, warnings } = await fetchOne(GROQ);
  expect(put).toEqual([{ models: [{ id: "a" }], fetchedMs: NOW_MS + 1_000, dueMs: NOW_MS + 1_000 + DAY_MS }]);
  expect(asked).toHaveLength(1);
  expect(asked[0]?.secret).toBe(opened[0]);
  expect(() => opened[0]?.reveal()).toThrow("wiped");
  expect(deferred).toEqual([{ waitMs: 10 * MINUTE_MS, why: "later" }]);
  expect(warnings).toEqual([]);
});

test("what everybody is told is asked for without any key", async () => {
  const list: DueList = { ...GROQ, account: EVERYBODY, keyId: "openrouter", version: 0, provider: "openrouter" };
  const { asked, opened, put } = await fetchOne(list);
  expect(asked).toEqual([{ provider: "openrouter", secret: undefined }]);
  expect(opened).toEqual([]);
  expect(put).toHaveLength(1);
});

test.each([
  [0, undefined, 5 * MINUTE_MS],
  [3, undefined, 40 * MINUTE_MS],
  [30, undefined, DAY_MS],
  [0, 30 * MINUTE_MS, 30 * MINUTE_MS],
])(
  "after %i failures, asked to wait %s ms: tried again in %i ms, and the old list stays",
  async (failures, retryAfterMs, waitMs) => {
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
    const outcome: ListOutcome = { kind: "failed", failure: "TOO_LARGE", ...wait };
    const { put, deferred, warnings, opened } = await fetchOne({ ...GROQ, failures }, { outcome });
    expect(put).toEqual([]);
    expect(deferred.at(-1)).toEqual({ waitMs, why: "failed" });
    expect(warnings).toEqual([
      { message: "a list of models was not fetched", fields: { provider: "groq", reason: "TOO_LARGE" } },
    ]);
    expect(() => opened[0]?.reveal()).toThrow("wiped");
  },
);

test.each(["DEAD", "BLOCKED", "UNREADABLE"] as const)("no provider is asked with a key that is %s", async (state) => {
  const { asked, opened, deferred } = await fetchOne(GROQ, { state });
  expect([asked, opened]).toEqual([[], []]);
  expect(deferred.at(-1)).toEqual({ waitMs: DAY_MS, why: "later" });
});

test("an account whose probes are used up is asked about when there is one again; the first list of a key takes none", async () => {
  const probeBudget = {
    take() {
      throw new PloriError({ reason: "RATE_LIMITED", message: "used up", retryAfterMs: 30_000 });
    },
  };
  const { asked, deferred } = await fetchOne(GROQ, { probeBudget });
  expect(asked).toEqual([]);
  expect(deferred.at(-1)).toEqual({ waitMs: 30_000, why: "later" });
  const first = await fetchOne({ ...GROQ, isFirst: true }, { probeBudget });
  expect(first.put).toHaveLength(1);
});

test("a version that is gone is asked nothing about, and nothing is kept of it", async () => {
  const { asked, put, deferred } = await fetchOne({ ...GROQ, version: 1 });
  expect([asked, put]).toEqual([[], []]);
  expect(deferred).toHaveLength(1);
});

test("a key that does not open is left for later, and the log tells the reason alone", async () => {
  const opener = {
    async open(): Promise<Secret> {
      throw new PloriError({ reason: "KMS_UNAVAILABLE", message: "secret words of a KMS" });
    },
  };
  const { asked, deferred, warnings } = await fetchOne(GROQ, { opener });
  expect(asked).toEqual([]);
  expect(deferred).toEqual([{ waitMs: 10 * MINUTE_MS, why: "later" }]);
  expect(JSON.stringify(warnings)).toBe(
    '[{"message":"a list of models was not fetched","fields":{"provider":"groq","reason":"KMS_UNAVAILABLE"}}]',
  );
});

test("a process that ends in the middle comes back to the list at once", async () => {
  const lister: ListFetcherOptions["lister"] = {
    list: (_provider, _secret, signal) =>
      new Promise((resolve) =>
        signal.addEventListener("abort", () => resolve({ kind: "failed", failure: "UNREACHABLE" })),
      ),
  };
  const { deferred, warnings } = await fetchOne(GROQ, { lister });
  expect(deferred.at(-1)).toEqual({ waitMs: 0, why: "later" });
  expect(warnings).toEqual([]);
});
