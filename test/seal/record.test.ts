import { createCipheriv, createSecretKey, randomBytes } from "node:crypto";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { associatedData } from "../../src/seal/associated-data.ts";
import { deriveRecordKey } from "../../src/seal/derive.ts";
import { keyOfRecord, openRecord } from "../../src/seal/open-record.ts";
import { encodePlaintext } from "../../src/seal/plaintext.ts";
import type { RecordIdentity, SealedRecord } from "../../src/seal/ports.ts";
import { encodeRecord, parseRecord } from "../../src/seal/record.ts";
import type { Sealer } from "../../src/seal/sealer.ts";
import { expectRefusal, identityOf, KEY_TEXT, openTestSealer, secretOf, textOf } from "./open-test-sealer.ts";

let sealer: Sealer;
let parts: ReturnType<typeof openTestSealer>;
let sealed: SealedRecord;

beforeEach(async () => {
  parts = openTestSealer();
  sealer = parts.sealer;
  sealed = await sealer.seal(identityOf(), secretOf());
});

/** Refused whether its key was derived before or not, waiting or not. */
async function expectCorrupt(identity: RecordIdentity, record: SealedRecord): Promise<void> {
  await expectRefusal(() => sealer.open(identity, record), "RECORD_CORRUPT");
  // An account whose data key is not cached has no warm answer at all, which is as good as a refusal.
  let warm: unknown;
  try {
    warm = sealer.openWarm(identity, record);
  } catch (error) {
    return void (await expectRefusal(() => Promise.reject(error), "RECORD_CORRUPT"));
  }
  expect(warm).toBeUndefined();
}

test("a sealed secret opens again, waiting and warm", async () => {
  expect(textOf(await sealer.open(identityOf(), sealed))).toBe(KEY_TEXT);
  expect(textOf(sealer.openWarm(identityOf(), sealed))).toBe(KEY_TEXT);
  expect(textOf(sealer.openWarm(identityOf(), sealed))).toBe(KEY_TEXT);
});

test("sealing the same secret twice gives two records that share nothing but their framing", async () => {
  const again = await sealer.seal(identityOf(), secretOf());
  const [first, second] = [parseRecord(sealed.bytes), parseRecord(again.bytes)];
  for (const part of ["salt", "commitment", "nonce", "ciphertext", "tag"] as const) {
    expect(Buffer.from(first[part]).equals(second[part])).toBe(false);
  }
});

test("sealing leaves the caller's secret as it was, and the record does not contain it", async () => {
  const secret = secretOf();
  const record = await sealer.seal(identityOf(), secret);
  expect(secret.reveal().toString()).toBe(KEY_TEXT);
  expect(Buffer.from(record.bytes).includes(KEY_TEXT)).toBe(false);
});

describe.each(["before it was ever opened", "after it was opened"])("%s", (when) => {
  beforeEach(async () => {
    if (when.startsWith("after")) (await sealer.open(identityOf(), sealed)).wipe();
  });

  test("a record with any single byte changed is refused", async () => {
    for (let index = 0; index < sealed.bytes.length; index += 1) {
      for (const mask of [0x01, 0x80]) {
        const bytes = Uint8Array.from(sealed.bytes);
        bytes[index] = (bytes[index] ?? 0) ^ mask;
        await expectCorrupt(identityOf(), { ...sealed, bytes });
      }
    }
  });

  test("a record cut or extended by any number of bytes is refused", async () => {
    for (let length = 0; length < sealed.bytes.length; length += 1) {
      await expectCorrupt(identityOf(), { ...sealed, bytes: sealed.bytes.subarray(0, length) });
    }
    for (const extra of [1, 15, 16, 63, 64, 128, 10_000, 1_000_000]) {
      const bytes = Buffer.concat([sealed.bytes, Buffer.alloc(extra)]);
      await expectCorrupt(identityOf(), { ...sealed, bytes });
    }
  });

  test("a record of zeros or of chance is refused", async () => {
    await expectCorrupt(identityOf(), { ...sealed, bytes: new Uint8Array(sealed.bytes.length) });
    await expectCorrupt(identityOf(), { ...sealed, bytes: randomBytes(sealed.bytes.length) });
  });

  test.each([
    ["another account", { account: "acct-2" }],
    ["another provider", { provider: "groq" }],
    ["an older or newer key version", { keyVersion: 2 }],
    ["another kind", { kind: "pkce-verifier" }],
  ] as const)("a record moved to %s is refused", async (_where, changes) => {
    // The other account has a data key of its own, and records under it.
    await sealer.seal(identityOf({ account: "acct-2" }), secretOf("another"));
    await expectCorrupt(identityOf(changes), sealed);
  });

  test("a record moved to another account together with its wrapped data key is refused", async () => {
    const key = await parts.store.find({ account: "acct-1", dataKeyId: "records", dataKeyVersion: 1 });
    if (key === undefined) throw new Error("no data key");
    await parts.store.insert({ ...key, account: "acct-2" });
    await expectCorrupt(identityOf({ account: "acct-2" }), sealed);
  });

  test.each<readonly [string, Partial<SealedRecord>]>([
    ["another version", { dataKeyVersion: 2 }],
    ["no version", { dataKeyVersion: 0 }],
    ["a version beyond 32 bits", { dataKeyVersion: 2 ** 32 + 1 }],
    ["half a version", { dataKeyVersion: 1.5 }],
    ["another id", { dataKeyId: "fingerprint" }],
  ])("a record that names %s of its data key is refused, also when that one exists", async (_what, changes) => {
    await expectCorrupt(identityOf(), { ...sealed, ...changes });
    const key = await parts.kms.generateDataKey(parts.kms.keyArn, {
      app: "plori-byok",
      environment: "test",
      account: "acct-1",
      data_key_id: changes.dataKeyId ?? "records",
      data_key_version: String(changes.dataKeyVersion ?? 1),
    });
    const ref = { account: "acct-1", dataKeyId: "records", dataKeyVersion: 1, ...changes };
    await parts.store.insert({ ...ref, kmsKeyArn: key.keyArn, wrapped: key.wrapped, createMs: 0 });
    await expectCorrupt(identityOf(), { ...sealed, ...changes });
  });

  test("the rows of two records swapped are both refused", async () => {
    const other = await sealer.seal(identityOf({ provider: "groq" }), secretOf("another"));
    (await sealer.open(identityOf({ provider: "groq" }), other)).wipe();
    await expectCorrupt(identityOf(), other);
    await expectCorrupt(identityOf({ provider: "groq" }), sealed);
  });

  test("an older record put back in a newer one's place is refused", async () => {
    const newer = await sealer.seal(identityOf({ keyVersion: 2 }), secretOf("newer"));
    (await sealer.open(identityOf({ keyVersion: 2 }), newer)).wipe();
    await expectCorrupt(identityOf({ keyVersion: 2 }), sealed);
  });

  test("a record of another environment is refused, with the same KMS key and database", async () => {
    const elsewhere = parts.another({ environment: "production" });
    await expectRefusal(() => elsewhere.open(identityOf(), sealed), "RECORD_CORRUPT");
  });

  test("one record's refusal does not touch another's", async () => {
    await expectCorrupt(identityOf(), { ...sealed, bytes: new Uint8Array(300) });
    expect(textOf(sealer.openWarm(identityOf(), sealed))).toBe(KEY_TEXT);
  });
});

test("a ciphertext that decrypts under a key is still refused unless the record commits to that key", async () => {
  // AES-GCM alone would open this: the body is whole under the derived key, only the commitment is of another one.
  const dataKey = createSecretKey(randomBytes(32));
  const ref = { account: "acct-1", dataKeyId: "records", dataKeyVersion: 1 };
  const aad = associatedData("test", identityOf(), ref);
  const salt = randomBytes(32);
  const nonce = randomBytes(12);
  const { encryptionKey, commitment } = deriveRecordKey(dataKey, salt, aad);
  const cipher = createCipheriv("aes-256-gcm", encryptionKey, nonce, { authTagLength: 16 }).setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(encodePlaintext(Buffer.from(KEY_TEXT))), cipher.final()]);
  const whole = { dataKeyVersion: 1, salt, commitment, nonce, ciphertext, tag: cipher.getAuthTag() };

  const good = encodeRecord(whole);
  expect(textOf(openRecord(keyOfRecord(dataKey, 1, aad, good), good))).toBe(KEY_TEXT);
  const otherCommitment = deriveRecordKey(createSecretKey(randomBytes(32)), salt, aad).commitment;
  const bad = encodeRecord({ ...whole, commitment: otherCommitment });
  await expectRefusal(() => keyOfRecord(dataKey, 1, aad, bad), "RECORD_CORRUPT");
});

test("whatever is sealed opens to the same bytes, and its length tells only the number of blocks", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 8_192 }),
      fc.record({
        account: fc.stringMatching(/^[A-Za-z0-9._-]{1,128}$/),
        provider: fc.constantFrom("openrouter", "openai", "deepseek", "groq", "xai", "together"),
        keyVersion: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        kind: fc.string({ minLength: 1, maxLength: 40 }),
      }),
      async (bytes, identity) => {
        const secret = secretOf(Buffer.from(bytes).toString("latin1"));
        const expected = Buffer.from(secret.reveal());
        if (expected.length > 8_192) return;
        const record = await sealer.seal(identity, secret);
        const opened = await sealer.open(identity, record);
        expect(opened.reveal().equals(expected)).toBe(true);
        const ciphertextBytes = parseRecord(record.bytes).ciphertext.length;
        expect(ciphertextBytes % 64).toBe(0);
        expect(ciphertextBytes - expected.length).toBeLessThanOrEqual(64 + 7);
      },
    ),
    { numRuns: 200 },
  );
});

test("provider keys of every usual length up to 55 bytes make records of one length", async () => {
  const lengths = new Set<number>();
  for (let length = 20; length <= 55; length += 1) {
    lengths.add((await sealer.seal(identityOf(), secretOf("x".repeat(length)))).bytes.length);
  }
  expect(lengths.size).toBe(1);
});
