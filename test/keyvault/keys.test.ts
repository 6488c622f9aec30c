import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError } from "../../src/base/errors.ts";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import type { Caller, Role } from "../../src/identity/roles.ts";
import { deleteKey } from "../../src/keyvault/delete-key.ts";
import { getKey } from "../../src/keyvault/get-key.ts";
import { listKeys } from "../../src/keyvault/list-keys.ts";
import { listProviders } from "../../src/keyvault/list-providers.ts";
import { createMemoryKeyStore } from "../support/memory-key-store.ts";
import { testMutation } from "../support/mutation.ts";

const NOW_MS = 1_790_000_000_000;

function caller(role: Role): Caller {
  return { spiffeId: `spiffe://dev.plori.internal/${role}/dev`, role, name: "dev" };
}

async function openWith(account: string, providers: readonly Provider[]) {
  const memory = createMemoryKeyStore();
  for (const provider of providers) {
    const record = { account, keyId: provider, provider, version: 1, revision: 1, source: "PASTED" } as const;
    const sealed = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) };
    await memory.store.put(
      {
        record: { ...record, state: "ACTIVE", stateReason: "", createMs: NOW_MS },
        sealed,
        fingerprint: new Uint8Array(32),
        replacesVersion: 0,
        probeDueMs: NOW_MS,
      },
      testMutation(account),
    );
  }
  return { ...memory, deps: { keys: memory.store, clock: manualClock(NOW_MS) } };
}

async function reasonOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => "none",
    (error: unknown) => (error instanceof PloriError ? error.reason : "other"),
  );
}

test("pages together hold every key once, in order, whatever their size", async () => {
  const { deps } = await openWith("acct-1", PROVIDERS);
  for (const pageSize of [1, 2, 5, 6, 7, 0, 1_000]) {
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await listKeys(deps, { account: "acct-1", pageSize, pageToken }, caller("settings"));
      seen.push(...page.keys.map(({ keyId }) => keyId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toEqual([...PROVIDERS].sort());
  }
});

test("a page token serves its own account only, and a made-up one serves none", async () => {
  const { deps } = await openWith("acct-1", PROVIDERS);
  const page = await listKeys(deps, { account: "acct-1", pageSize: 1, pageToken: "" }, caller("settings"));
  for (const [account, pageToken] of [
    ["acct-2", page.nextPageToken],
    ["acct-1", `${page.nextPageToken}!`],
    ["acct-1", "openai"],
    ["acct-1", "x".repeat(10_000)],
  ] as const) {
    expect(await reasonOf(listKeys(deps, { account, pageSize: 1, pageToken }, caller("settings")))).toBe(
      "FIELDS_INVALID",
    );
  }
  const negative = listKeys(deps, { account: "acct-1", pageSize: -1, pageToken: "" }, caller("settings"));
  expect(await reasonOf(negative)).toBe("FIELDS_INVALID");
});

test("an unknown account has no keys, and a key that is not there is not found", async () => {
  const { deps } = await openWith("acct-1", ["openai"]);
  const page = await listKeys(deps, { account: "acct-9", pageSize: 0, pageToken: "" }, caller("settings"));
  expect(page).toEqual({ keys: [], nextPageToken: "" });
  for (const provider of ["groq", "anthropic"] as const) {
    expect(await reasonOf(getKey(deps, { account: "acct-1", provider }, caller("settings")))).toBe("KEY_NOT_FOUND");
  }
  expect(await reasonOf(getKey(deps, { account: "", provider: undefined }, caller("settings")))).toBe("FIELDS_INVALID");
  expect(await getKey(deps, { account: "acct-1", provider: "openai" }, caller("settings"))).toMatchObject({
    version: 1,
  });
});

test("a removed key is gone and the removal is on record; the etag guards against changes", async () => {
  const { deps, audit } = await openWith("acct-1", ["openai"]);
  const input = { account: "acct-1", provider: "openai", requestId: "", actor: "user-1" } as const;
  expect(await reasonOf(deleteKey(deps, { ...input, etag: "1.2" }, caller("settings")))).toBe("ETAG_MISMATCH");
  expect(await deleteKey(deps, { ...input, etag: "1.1" }, caller("settings"))).toMatchObject({ keyId: "openai" });
  expect(await reasonOf(deleteKey(deps, { ...input, etag: "" }, caller("settings")))).toBe("KEY_NOT_FOUND");
  expect(audit.at(-1)).toEqual({
    kind: "key.deleted",
    timeMs: NOW_MS,
    caller: caller("settings").spiffeId,
    actor: "user-1",
    account: "acct-1",
    subject: "accounts/acct-1/keys/openai",
    details: { provider: "openai" },
  });
});

test("a repeated removal gives the first answer; another payload under its request id is refused", async () => {
  const { deps } = await openWith("acct-1", ["openai", "groq"]);
  const requestId = "0190a3f0-0000-7000-8000-000000000001";
  const input = { account: "acct-1", provider: "openai", etag: "", requestId, actor: "" } as const;
  const first = await deleteKey(deps, input, caller("settings"));
  expect(await deleteKey(deps, input, caller("settings"))).toEqual(first);
  const other = deleteKey(deps, { ...input, provider: "groq" }, caller("settings"));
  expect(await reasonOf(other)).toBe("REQUEST_ID_CONFLICT");
});

test("plori's own keys are read by admins and auditors, and removed by admins alone", async () => {
  const { deps } = await openWith("platform", ["openai"]);
  const read = (role: Role) => reasonOf(getKey(deps, { account: "platform", provider: "openai" }, caller(role)));
  const list = (role: Role) =>
    reasonOf(listKeys(deps, { account: "platform", pageSize: 0, pageToken: "" }, caller(role)));
  const remove = (role: Role) =>
    reasonOf(
      deleteKey(deps, { account: "platform", provider: "openai", etag: "", requestId: "", actor: "" }, caller(role)),
    );
  expect([await read("settings"), await list("settings"), await remove("settings")]).toEqual(
    Array(3).fill("ROLE_NOT_ALLOWED"),
  );
  expect([await read("auditor"), await list("auditor"), await remove("auditor")]).toEqual([
    "none",
    "none",
    "ROLE_NOT_ALLOWED",
  ]);
  expect([await read("admin"), await list("admin"), await remove("admin")]).toEqual(["none", "none", "none"]);
});

test("the providers are the six that users are promised, in that order, with OpenRouter alone by one click", () => {
  const providers = listProviders();
  expect(providers.map(({ provider }) => provider)).toEqual([...PROVIDERS]);
  expect(providers.filter(({ oneClick }) => oneClick).map(({ provider }) => provider)).toEqual(["openrouter"]);
  for (const { displayName, covers, keyPageUrl } of providers) {
    expect(displayName).not.toBe("");
    expect(covers).not.toBe("");
    expect(keyPageUrl).toMatch(/^https:/);
  }
});

test("a rate limit that is over does not show, neither in one key nor in a list", async () => {
  const { deps, store } = await openWith("acct-1", ["openai"]);
  const standing = { state: "RATE_LIMITED", stateReason: "limited", stateUntilMs: NOW_MS + 5_000 } as const;
  await store.setState({ account: "acct-1", keyId: "openai", version: 1, revision: 1, standing, probeDueMs: NOW_MS });
  const get = () => getKey(deps, { account: "acct-1", provider: "openai" }, caller("settings"));
  expect(await get()).toMatchObject({ state: "RATE_LIMITED", stateUntilMs: NOW_MS + 5_000 });
  deps.clock.advance(5_000);
  expect((await get()).state).toBe("ACTIVE");
  expect((await get()).stateUntilMs).toBeUndefined();
  const { keys } = await listKeys(deps, { account: "acct-1", pageSize: 0, pageToken: "" }, caller("settings"));
  expect(keys.map(({ state }) => state)).toEqual(["ACTIVE"]);
});

test("plori's own keys are found and removed by their ids, each as a key of its own provider", async () => {
  const { deps, store } = await openWith("platform", ["openai"]);
  const record = (await store.load("platform", "openai"))?.record;
  if (record === undefined) throw new Error("no key");
  const sealed = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(8) };
  const second = { ...record, keyId: "fleet-1", version: 2 };
  await store.put(
    { record: second, sealed, fingerprint: new Uint8Array(32), replacesVersion: 0, probeDueMs: NOW_MS },
    testMutation("platform"),
  );
  const named = (provider: Provider, keyId: string) => ({ account: "platform", provider, keyId });
  expect(await getKey(deps, named("openai", "fleet-1"), caller("auditor"))).toMatchObject({ version: 2 });
  expect(await getKey(deps, named("openai", ""), caller("auditor"))).toMatchObject({ version: 1 });
  expect(await reasonOf(getKey(deps, named("groq", "fleet-1"), caller("admin")))).toBe("KEY_NOT_FOUND");
  const removal = { etag: "", requestId: "", actor: "" };
  expect(await reasonOf(deleteKey(deps, { ...named("groq", "fleet-1"), ...removal }, caller("admin")))).toBe(
    "KEY_NOT_FOUND",
  );
  await deleteKey(deps, { ...named("openai", "fleet-1"), ...removal }, caller("admin"));
  expect(await store.list("platform", 10, "")).toMatchObject([{ keyId: "openai" }]);
});
