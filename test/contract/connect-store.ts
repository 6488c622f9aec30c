import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ManualClock } from "../../src/base/clock.ts";
import { PloriError } from "../../src/base/errors.ts";
import { CONNECT_LIFE_MS, type ConnectStore, type NewConnect } from "../../src/keyvault/connect-ports.ts";
import type { KeyStore, NewKey } from "../../src/keyvault/ports.ts";
import { testMutation, testRequest } from "../support/mutation.ts";

/** A store under test on a clock that the test moves, with the key store of the same database. */
export interface OpenedConnectStore {
  readonly store: ConnectStore;
  readonly keys: KeyStore;
  readonly clock: ManualClock;
  readonly close: () => Promise<void> | void;
}

const UUID = "0190a3f0-0000-7000-8000-00000000000c";
const DAY_MS = 24 * 3_600_000;

/** What every store of one-click connects must keep. `open` gives an empty one. */
export function connectStoreContract(name: string, open: () => Promise<OpenedConnectStore>): void {
  describe(`connect store: ${name}`, () => {
    let opened: OpenedConnectStore;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened.close();
    });

    const newConnect = (connectId: string, account = "acct-1"): NewConnect => ({
      account,
      connectId,
      codeChallenge: `challenge of ${connectId}`,
      beginMs: opened.clock.nowMs(),
      expireMs: opened.clock.nowMs() + CONNECT_LIFE_MS,
      sealedVerifier: { dataKeyId: "records", dataKeyVersion: 3, bytes: new Uint8Array(200).fill(7) },
    });
    const begin = (connectId: string, account?: string) =>
      opened.store.begin(newConnect(connectId, account), testMutation(account ?? "acct-1", "connect.begun"));
    const claim = (connectId: string, account = "acct-1") =>
      opened.store.claim(account, connectId, testMutation(account, "connect.claimed"));

    test("a connect comes back as it was begun, to its own account only", async () => {
      const connect = newConnect("c1");
      await begin("c1");
      expect(await opened.store.find("acct-1", "c1")).toEqual({
        account: "acct-1",
        connectId: "c1",
        state: "OPEN",
        expireMs: connect.expireMs,
        sealedVerifier: { dataKeyId: "records", dataKeyVersion: 3, bytes: Buffer.alloc(200, 7) },
      });
      expect(await opened.store.find("acct-2", "c1")).toBeUndefined();
      expect(await claim("c1", "acct-2")).toBe(false);
      expect(await opened.store.find("acct-1", "c1")).toMatchObject({ state: "OPEN" });
    });

    test("of many claims at once exactly one succeeds, and the verifier is gone with it", async () => {
      await begin("c1");
      const claims = await Promise.all(Array.from({ length: 50 }, () => claim("c1")));
      expect(claims.filter(Boolean)).toHaveLength(1);
      const claimed = await opened.store.find("acct-1", "c1");
      expect(claimed).toMatchObject({ state: "CLAIMED", claimMs: opened.clock.nowMs() });
      expect(claimed?.sealedVerifier).toBeUndefined();
    });

    test("a connect can be claimed until the last millisecond of its time, and not after", async () => {
      await begin("c1");
      await begin("c2");
      opened.clock.advance(CONNECT_LIFE_MS - 1);
      expect(await claim("c1")).toBe(true);
      opened.clock.advance(1);
      expect(await claim("c2")).toBe(false);
      expect(await opened.store.find("acct-1", "c2")).toMatchObject({ state: "OPEN" });
    });

    test("an end is final, and only a claimed connect ends", async () => {
      await begin("c1");
      const end = (state: "REFUSED" | "LOST") =>
        opened.store.end("acct-1", "c1", state, testMutation("acct-1", "connect.failed"));
      await end("LOST");
      expect(await opened.store.find("acct-1", "c1")).toMatchObject({ state: "OPEN" });
      await claim("c1");
      await end("REFUSED");
      await end("LOST");
      expect(await opened.store.find("acct-1", "c1")).toMatchObject({ state: "REFUSED" });
      expect(await claim("c1")).toBe(false);
    });

    test("storing its key completes it, in one step; a key that raced completes nothing", async () => {
      await begin("c1");
      await claim("c1");
      expect(await opened.keys.put({ ...newKey(), replacesVersion: 9 }, testMutation("acct-1"))).toBe("raced");
      expect(await opened.store.find("acct-1", "c1")).toMatchObject({ state: "CLAIMED" });
      await opened.keys.put(newKey(), testMutation("acct-1"));
      expect(await opened.store.find("acct-1", "c1")).toMatchObject({ state: "COMPLETED" });
    });

    test("a repeated request id gives the first answer and begins nothing; another payload is refused", async () => {
      const request = testRequest("acct-1", UUID, { callback_url: "h1" });
      expect(await opened.store.findBegun(request)).toBeUndefined();
      const mutation = testMutation("acct-1", "connect.begun", request);
      const first = await opened.store.begin(newConnect("c1"), mutation);
      expect(await opened.store.begin(newConnect("c2"), mutation)).toEqual(first);
      expect(await opened.store.findBegun(request)).toEqual(first);
      expect(await opened.store.find("acct-1", "c2")).toBeUndefined();
      const other = { ...request, fieldHashes: { callback_url: "h2" } };
      await expectReason(opened.store.findBegun(other), "REQUEST_ID_CONFLICT");
    });

    test("an account has at most twenty open connects, and is told when the next is free", async () => {
      await begin("first");
      opened.clock.advance(1_000);
      for (let i = 1; i < 20; i += 1) await begin(`c${i}`);
      const refused = await expectReason(begin("one-more"), "RATE_LIMITED");
      expect(refused.retryAfterMs).toBe(CONNECT_LIFE_MS - 1_000);
      await begin("c1", "acct-2");
      await claim("c1");
      await begin("one-more");
      opened.clock.advance(CONNECT_LIFE_MS - 1_000);
      await begin("another");
    });

    test("a sweep destroys verifiers whose time is over and, a day later, the connect with its stored answer", async () => {
      const request = testRequest("acct-1", UUID, { callback_url: "h1" });
      await opened.store.begin(newConnect("old"), testMutation("acct-1", "connect.begun", request));
      opened.clock.advance(CONNECT_LIFE_MS);
      await begin("new");
      await opened.store.sweep();
      const old = await opened.store.find("acct-1", "old");
      expect(old).toMatchObject({ state: "OPEN" });
      expect(old?.sealedVerifier).toBeUndefined();
      expect((await opened.store.find("acct-1", "new"))?.sealedVerifier).toBeDefined();
      opened.clock.advance(DAY_MS - 1);
      await opened.store.sweep();
      expect(await opened.store.find("acct-1", "old")).toBeDefined();
      opened.clock.advance(1);
      await opened.store.sweep();
      expect(await opened.store.find("acct-1", "old")).toBeUndefined();
      expect(await opened.store.findBegun(request)).toBeUndefined();
      expect(await opened.store.find("acct-1", "new")).toBeDefined();
    });
  });
}

function newKey(): NewKey {
  return {
    record: {
      account: "acct-1",
      keyId: "openrouter",
      provider: "openrouter",
      version: 1,
      revision: 1,
      source: "ONE_CLICK",
      state: "ACTIVE",
      stateReason: "",
      createMs: 1_790_000_000_000,
    },
    sealed: { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(200).fill(1) },
    replacesVersion: 0,
    fingerprint: new Uint8Array(32),
    probeDueMs: 1_790_086_400_000,
    completesConnect: "c1",
  };
}

async function expectReason(attempt: Promise<unknown>, reason: string): Promise<PloriError> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PloriError)) throw new Error(`expected ${reason}`);
  expect(error.reason).toBe(reason);
  return error;
}
