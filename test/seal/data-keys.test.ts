import { inspect } from "node:util";
import { expect, test } from "vitest";
import { KmsError } from "../../src/kms/kms.ts";
import {
  expectRefusal,
  identityOf,
  KEY_TEXT,
  MINUTE,
  openTestSealer,
  SECOND,
  secretOf,
  settle,
  textOf,
} from "./open-test-sealer.ts";

const DAY = 24 * 60 * MINUTE;

/** A sealer that has one record, and a second one over the same KMS and store whose cache is cold. */
async function openCold(changes: Parameters<typeof openTestSealer>[0] = {}) {
  const parts = openTestSealer(changes);
  const record = await parts.sealer.seal(identityOf(), secretOf());
  const cold = parts.another();
  const warm = () => textOf(cold.openWarm(identityOf(), record));
  return { ...parts, record, cold, warm, open: () => cold.open(identityOf(), record) };
}

/** The same, with the key in the cache. */
async function openWarmed(changes: Parameters<typeof openTestSealer>[0] = {}) {
  const parts = await openCold(changes);
  (await parts.open()).wipe();
  return parts;
}

test("a thousand cold opens of one account at once make one KMS call", async () => {
  const { kms, open } = await openCold();
  const opened = await Promise.all(Array.from({ length: 1_000 }, open));
  expect(kms.calls.decrypt).toBe(1);
  for (const secret of opened) expect(textOf(secret)).toBe(KEY_TEXT);
});

test("a hundred first seals of one account at once make one data key", async () => {
  const { kms, sealer, store } = openTestSealer();
  const records = await Promise.all(
    Array.from({ length: 100 }, (_none, index) => sealer.seal(identityOf({ keyVersion: index + 1 }), secretOf())),
  );
  expect(kms.calls.generateDataKey).toBe(1);
  expect(store.rows.size).toBe(1);
  for (const [index, record] of records.entries()) {
    expect(textOf(sealer.openWarm(identityOf({ keyVersion: index + 1 }), record))).toBe(KEY_TEXT);
  }
});

test("of two processes that make an account's data key at once, both seal under the one that was stored", async () => {
  const { kms, sealer, another } = openTestSealer();
  const other = another();
  const release = kms.hold();
  const sealing = [
    sealer.seal(identityOf(), secretOf()),
    other.seal(identityOf({ provider: "groq" }), secretOf()),
  ] as const;
  await settle();
  release();
  const [first, second] = await Promise.all(sealing);
  expect(kms.calls.generateDataKey).toBe(2);
  const reader = another();
  expect(textOf(await reader.open(identityOf(), first))).toBe(KEY_TEXT);
  expect(textOf(await reader.open(identityOf({ provider: "groq" }), second))).toBe(KEY_TEXT);
});

test("a data key that another process replaced is not sealed under any more", async () => {
  const { sealer, store, another } = openTestSealer();
  await sealer.seal(identityOf(), secretOf());
  store.rows.clear();
  await another().seal(identityOf(), secretOf());
  const record = await sealer.seal(identityOf({ keyVersion: 2 }), secretOf());
  expect(textOf(await another().open(identityOf({ keyVersion: 2 }), record))).toBe(KEY_TEXT);
});

test("new records are sealed under the newest data key, and older ones still open", async () => {
  const { kms, sealer, store, record } = await openCold();
  const made = await kms.generateDataKey(kms.keyArn, {
    app: "plori-byok",
    environment: "test",
    account: "acct-1",
    data_key_id: "records",
    data_key_version: "2",
  });
  const ref = { account: "acct-1", dataKeyId: "records", dataKeyVersion: 2 };
  await store.insert({ ...ref, kmsKeyArn: made.keyArn, wrapped: made.wrapped, createMs: 0 });
  const newer = await sealer.seal(identityOf({ keyVersion: 2 }), secretOf("newer"));
  expect(newer.dataKeyVersion).toBe(2);
  expect(textOf(await sealer.open(identityOf({ keyVersion: 2 }), newer))).toBe("newer");
  expect(textOf(await sealer.open(identityOf(), record))).toBe(KEY_TEXT);
});

test("no plaintext of a data key outlives the call that brought it", async () => {
  const { kms } = await openWarmed();
  expect(kms.handedOut).toHaveLength(2);
  for (const plaintext of kms.handedOut) expect(plaintext.every((byte) => byte === 0)).toBe(true);
});

test("without a cached key there is no warm answer, and no KMS call is made for one", async () => {
  const { kms, cold, record } = await openCold();
  expect(cold.openWarm(identityOf(), record)).toBeUndefined();
  await settle();
  expect(kms.calls.decrypt).toBe(0);
});

test("a KMS outage of an hour costs a warm account nothing, neither in use nor idle", async () => {
  for (const stepMs of [10 * SECOND, 60 * MINUTE]) {
    const { kms, clock, open, warm } = await openWarmed();
    kms.failure = "unavailable";
    for (let passedMs = 0; passedMs < 60 * MINUTE; passedMs += stepMs) {
      clock.advance(stepMs);
      expect(textOf(await open())).toBe(KEY_TEXT);
      expect(warm()).toBe(KEY_TEXT);
      await settle();
    }
    kms.failure = undefined;
    clock.advance(30 * SECOND);
    expect(textOf(await open())).toBe(KEY_TEXT);
  }
});

test("during an outage KMS is asked rarely, however many calls come", async () => {
  const { kms, clock, open } = await openWarmed();
  kms.failure = "unavailable";
  clock.advance(5 * MINUTE);
  const before = kms.calls.decrypt;
  for (let second = 0; second < 60; second += 1) {
    clock.advance(SECOND);
    for (let call = 0; call < 20; call += 1) (await open()).wipe();
    await settle();
  }
  expect(kms.calls.decrypt - before).toBeLessThanOrEqual(60);
});

test("beyond 70 minutes without KMS a key serves no more", async () => {
  const { kms, clock, open, warm, cold } = await openWarmed();
  kms.failure = "unavailable";
  clock.advance(70 * MINUTE - 1);
  expect(textOf(await open())).toBe(KEY_TEXT);
  clock.advance(1);
  expect(warm()).toBeUndefined();
  const error = await expectRefusal(open, "KMS_UNAVAILABLE");
  expect(error.retryAfterMs).toBeGreaterThan(0);
  expect(cold.stats().dataKeys).toBe(0);
});

test.each([
  ["Disabled", "KEY_UNREADABLE"],
  ["PendingDeletion", "KEY_UNREADABLE"],
] as const)("a KMS key that is %s stops serving within 5 minutes, in constant use", async (state, reason) => {
  const { kms, clock, open, warm } = await openWarmed();
  for (const key of kms.keyring.keys) key.state = state;
  for (let second = 0; second < 300; second += 1) {
    warm();
    await settle();
    clock.advance(SECOND);
  }
  expect(warm()).toBeUndefined();
  await expectRefusal(open, reason);
});

test("a KMS key that is disabled stops serving within 5 minutes, idle", async () => {
  const { kms, clock, open, warm } = await openWarmed();
  for (const key of kms.keyring.keys) key.state = "Disabled";
  clock.advance(5 * MINUTE);
  expect(warm()).toBeUndefined();
  await expectRefusal(open, "KEY_UNREADABLE");
});

test("a KMS key that was disabled during an outage is refused once KMS answers again", async () => {
  const { kms, clock, open, warm } = await openWarmed();
  kms.failure = "unavailable";
  clock.advance(10 * MINUTE);
  expect(textOf(await open())).toBe(KEY_TEXT);
  kms.failure = "denied";
  clock.advance(5 * SECOND);
  expect(warm()).toBeUndefined();
  await expectRefusal(open, "KEY_UNREADABLE");
});

test.each([
  ["denied", "KEY_UNREADABLE"],
  ["corrupt", "RECORD_CORRUPT"],
] as const)(
  "an answer that is %s evicts at the refresh already, before the soft life ends",
  async (failure, reason) => {
    const { kms, clock, open, warm } = await openWarmed();
    kms.failure = failure;
    clock.advance(5 * MINUTE - 5 * SECOND);
    // The first call still has the key and starts the refresh, whose answer the next one feels.
    expect(warm()).toBe(KEY_TEXT);
    await settle();
    expect(warm()).toBeUndefined();
    await expectRefusal(open, reason);
  },
);

test("a KMS that contradicts itself, as while a change spreads, is believed each time: refused when it says no, served again within five seconds of a yes", async () => {
  const { kms, clock, open, warm } = await openCold();
  for (let change = 0; change < 5; change += 1) {
    kms.failure = "denied";
    clock.advance(5 * MINUTE);
    await expectRefusal(open, "KEY_UNREADABLE");
    expect(warm()).toBeUndefined();
    kms.failure = undefined;
    clock.advance(5 * SECOND);
    expect(textOf(await open())).toBe(KEY_TEXT);
    expect(warm()).toBe(KEY_TEXT);
  }
});

test("a refusal is remembered for a second and no longer than five, and a key that is allowed again serves again", async () => {
  const { kms, clock, open } = await openCold();
  kms.failure = "denied";
  for (let call = 0; call < 100; call += 1) await expectRefusal(open, "KEY_UNREADABLE");
  expect(kms.calls.decrypt).toBe(1);
  kms.failure = undefined;
  clock.advance(5 * SECOND);
  expect(textOf(await open())).toBe(KEY_TEXT);
});

test("a key in use is refreshed before its soft life ends, once, and nobody waits for it", async () => {
  const { kms, clock, warm } = await openWarmed();
  for (let second = 0; second < 20 * 60; second += 1) {
    clock.advance(SECOND);
    for (let call = 0; call < 3; call += 1) expect(warm()).toBe(KEY_TEXT);
    await settle();
  }
  // Twenty minutes at one refresh in 290 seconds, and the first fetch.
  expect(kms.calls.decrypt).toBe(1 + Math.floor(1_200 / 290));
});

test.each([
  ["back", -DAY],
  ["forward", DAY],
])("a wall clock stepped %s a day does not extend a key's life", async (_way, stepMs) => {
  const { kms, clock, open, warm } = await openWarmed();
  clock.stepWallTo(clock.nowMs() + stepMs);
  for (const key of kms.keyring.keys) key.state = "Disabled";
  clock.advance(5 * MINUTE);
  expect(warm()).toBeUndefined();
  await expectRefusal(open, "KEY_UNREADABLE");
});

test("time that passed only on the wall clock, as while the machine sleeps, counts", async () => {
  const { kms, clock, warm, open } = await openWarmed();
  for (const key of kms.keyring.keys) key.state = "Disabled";
  clock.stepWallTo(clock.nowMs() + 5 * MINUTE);
  expect(warm()).toBeUndefined();
  await expectRefusal(open, "KEY_UNREADABLE");
});

test("keys past their hard life are swept although nobody asks for them", async () => {
  let sweep = () => {};
  const { clock, sealer } = openTestSealer({
    every: (_ms, run) => {
      sweep = run;
      return () => {};
    },
  });
  await sealer.seal(identityOf(), secretOf());
  clock.advance(70 * MINUTE - 1);
  sweep();
  expect(sealer.stats().dataKeys).toBe(1);
  clock.advance(1);
  sweep();
  expect(sealer.stats().dataKeys).toBe(0);
});

test("evicting an account forgets its keys, what is on its way included, and no other account's", async () => {
  const { kms, cold, record, open } = await openCold();
  const other = await cold.seal(identityOf({ account: "acct-2" }), secretOf("other"));
  const release = kms.hold();
  const opening = open();
  await settle();
  cold.evict("acct-1");
  release();
  expect(textOf(await opening)).toBe(KEY_TEXT);
  expect(cold.openWarm(identityOf(), record)).toBeUndefined();
  expect(textOf(cold.openWarm(identityOf({ account: "acct-2" }), other))).toBe("other");
  expect(textOf(await open())).toBe(KEY_TEXT);
  cold.evict("acct-1");
  expect(cold.openWarm(identityOf(), record)).toBeUndefined();
});

test("an account whose data key is gone from the store is refused after an eviction", async () => {
  const { cold, store, open } = await openWarmed();
  store.rows.clear();
  cold.evict("acct-1");
  await expectRefusal(open, "RECORD_CORRUPT");
});

test("a wrapped data key swapped between two accounts does not open", async () => {
  const { sealer, store, open } = await openCold();
  await sealer.seal(identityOf({ account: "acct-2" }), secretOf());
  const [first, second] = [...store.rows.entries()];
  if (first === undefined || second === undefined) throw new Error("two data keys expected");
  store.rows.set(first[0], { ...first[1], wrapped: second[1].wrapped });
  await expectRefusal(open, "RECORD_CORRUPT");
});

test("a data key wrapped by a KMS key that is not ours is refused, although the KMS would open it", async () => {
  const { kms, another, record } = await openCold();
  const strict = another({ isTrustedKmsKey: (keyArn) => keyArn !== kms.keyArn });
  await expectRefusal(() => strict.open(identityOf(), record), "RECORD_CORRUPT");
  expect(kms.calls.decrypt).toBe(0);
});

test("no more than 20 KMS calls run at once, and what finds no place in the queue is refused as retryable", async () => {
  const { kms, sealer } = openTestSealer({ limits: { kmsQueueMax: 30 } });
  const release = kms.hold();
  const sealing = Array.from({ length: 60 }, (_none, index) =>
    sealer.seal(identityOf({ account: `acct-${index}` }), secretOf()).then(
      () => "sealed",
      (error: unknown) => (error instanceof Error && "reason" in error ? error.reason : error),
    ),
  );
  await settle();
  expect(sealer.stats()).toMatchObject({ kmsCallsRunning: 20, kmsCallsQueued: 30 });
  release();
  const outcomes = await Promise.all(sealing);
  expect(outcomes.filter((outcome) => outcome === "sealed")).toHaveLength(50);
  expect(outcomes.filter((outcome) => outcome === "KMS_UNAVAILABLE")).toHaveLength(10);
  expect(kms.peak).toBe(20);
  expect(sealer.stats()).toMatchObject({ kmsCallsRunning: 0, kmsCallsQueued: 0 });
});

test("who waited too long for a place is refused instead of adding to the load", async () => {
  const { kms, clock, sealer } = openTestSealer({ limits: { kmsCallsMax: 1 } });
  const release = kms.hold();
  const first = sealer.seal(identityOf({ account: "acct-1" }), secretOf());
  const second = sealer.seal(identityOf({ account: "acct-2" }), secretOf());
  await settle();
  clock.advance(2_501);
  release();
  await first;
  await expectRefusal(() => second, "KMS_UNAVAILABLE");
  expect(kms.calls.generateDataKey).toBe(1);
});

test("after five calls that nobody answered KMS is left alone, then tried once, then used again", async () => {
  const { kms, clock, sealer } = openTestSealer();
  let account = 0;
  const seal = () => sealer.seal(identityOf({ account: `acct-${account++}` }), secretOf());
  kms.failure = "unavailable";
  for (let call = 0; call < 20; call += 1) await expectRefusal(seal, "KMS_UNAVAILABLE");
  expect(kms.calls.generateDataKey).toBe(5);
  expect(sealer.stats().kmsCircuitOpen).toBe(true);

  clock.advance(5 * SECOND);
  const release = kms.hold();
  const trial = seal();
  await settle();
  await expectRefusal(seal, "KMS_UNAVAILABLE");
  release();
  await expectRefusal(() => trial, "KMS_UNAVAILABLE");
  expect(kms.calls.generateDataKey).toBe(6);

  kms.failure = undefined;
  clock.advance(5 * SECOND);
  await seal();
  await seal();
  expect(sealer.stats().kmsCircuitOpen).toBe(false);
});

test("answers that refuse do not open the circuit: KMS is there", async () => {
  const { kms, sealer } = openTestSealer();
  kms.failure = "denied";
  for (let call = 0; call < 10; call += 1) {
    await expectRefusal(() => sealer.seal(identityOf({ account: `acct-${call}` }), secretOf()), "KEY_UNREADABLE");
  }
  expect(sealer.stats().kmsCircuitOpen).toBe(false);
});

test("no more data keys are kept than allowed, and a dropped one is fetched again", async () => {
  const { kms, sealer } = openTestSealer({ limits: { dataKeysMax: 10 } });
  const first = await sealer.seal(identityOf({ account: "acct-0" }), secretOf());
  for (let index = 1; index < 50; index += 1) {
    await sealer.seal(identityOf({ account: `acct-${index}` }), secretOf());
  }
  expect(sealer.stats().dataKeys).toBe(10);
  expect(sealer.openWarm(identityOf({ account: "acct-0" }), first)).toBeUndefined();
  expect(textOf(await sealer.open(identityOf({ account: "acct-0" }), first))).toBe(KEY_TEXT);
  expect(kms.calls.decrypt).toBe(1);
});

test("more records of one account than are kept ready still all open", async () => {
  const { sealer } = openTestSealer({ limits: { recordKeysPerDataKeyMax: 4 } });
  const versions = Array.from({ length: 20 }, (_none, index) => index + 1);
  const records = await Promise.all(
    versions.map((keyVersion) => sealer.seal(identityOf({ keyVersion }), secretOf(`key ${keyVersion}`))),
  );
  for (let round = 0; round < 3; round += 1) {
    for (const [index, record] of records.entries()) {
      const keyVersion = index + 1;
      expect(textOf(sealer.openWarm(identityOf({ keyVersion }), record))).toBe(`key ${keyVersion}`);
    }
  }
});

test("a closed sealer keeps nothing and asks nobody", async () => {
  const { kms, cold, record, open } = await openWarmed();
  const before = kms.calls.decrypt;
  cold.close();
  expect(cold.stats().dataKeys).toBe(0);
  expect(cold.openWarm(identityOf(), record)).toBeUndefined();
  await expectRefusal(open, "KMS_UNAVAILABLE");
  expect(kms.calls.decrypt).toBe(before);
});

test("closing refuses what still waits for KMS", async () => {
  const { kms, sealer } = openTestSealer({ limits: { kmsCallsMax: 1 } });
  const release = kms.hold();
  const first = sealer.seal(identityOf({ account: "acct-1" }), secretOf());
  const second = sealer.seal(identityOf({ account: "acct-2" }), secretOf());
  await settle();
  sealer.close();
  await expectRefusal(() => second, "KMS_UNAVAILABLE");
  release();
  await expectRefusal(() => first, "KMS_UNAVAILABLE");
  expect(sealer.stats()).toMatchObject({ dataKeys: 0, kmsCallsRunning: 0, kmsCallsQueued: 0 });
});

test("equal secrets have equal fingerprints, in every process and after a restart; others differ", async () => {
  const { kms, sealer, another } = openTestSealer();
  const [first, second] = await Promise.all([sealer.fingerprint(secretOf()), sealer.fingerprint(secretOf())]);
  expect(first).toHaveLength(32);
  expect(first.equals(second)).toBe(true);
  expect((await another().fingerprint(secretOf())).equals(first)).toBe(true);
  expect((await sealer.fingerprint(secretOf(`${KEY_TEXT}.`))).equals(first)).toBe(false);
  expect(kms.calls.generateDataKey).toBe(1);
  const elsewhere = openTestSealer();
  expect((await elsewhere.sealer.fingerprint(secretOf())).equals(first)).toBe(false);
});

test("errors carry the KMS's class and name for the log, and no secret and no key", async () => {
  const { kms, clock, open, cold, record, store } = await openCold();
  const thrown = [];
  for (const failure of ["unavailable", "denied", "corrupt"] as const) {
    kms.failure = failure;
    clock.advance(10 * SECOND);
    thrown.push(await open().catch((error: unknown) => error));
  }
  kms.failure = undefined;
  clock.advance(10 * SECOND);
  const bytes = Uint8Array.from(record.bytes, (byte, index) => (index === 100 ? byte ^ 1 : byte));
  thrown.push(await cold.open(identityOf(), { ...record, bytes }).catch((error: unknown) => error));
  const wrapped = Buffer.from([...store.rows.values()][0]?.wrapped ?? []);
  for (const error of thrown) {
    expect(error).toBeInstanceOf(Error);
    const shown = inspect(error, { depth: null, showHidden: true });
    for (const hidden of [KEY_TEXT, wrapped.toString("base64"), wrapped.toString("hex")]) {
      expect(shown).not.toContain(hidden);
    }
  }
  expect(thrown.slice(0, 3).map((error) => error instanceof Error && error.cause instanceof KmsError)).toEqual([
    true,
    true,
    true,
  ]);
});
