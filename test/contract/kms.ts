import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Kms, KmsFailure } from "../../src/kms/kms.ts";
import { KmsError } from "../../src/kms/kms.ts";

/** A KMS under test, with two usable keys, an alias of the first, and the means to change them as an operator would. */
export interface KmsUnderTest {
  readonly kms: Kms;
  readonly keyArn: string;
  readonly otherKeyArn: string;
  readonly alias: string;
  setState(keyArn: string, state: "Enabled" | "Disabled" | "PendingDeletion"): void | Promise<void>;
  rotate(keyArn: string): void | Promise<void>;
  pointAlias(alias: string, keyArn: string): void | Promise<void>;
  close(): Promise<void> | void;
}

const CONTEXT = { app: "plori-byok", account: "acct-1" };

/** What every `Kms` must do, whatever is behind it. */
export function kmsContract(name: string, open: () => Promise<KmsUnderTest>): void {
  describe(`KMS: ${name}`, () => {
    let under: KmsUnderTest;
    beforeEach(async () => {
      under = await open();
    });
    afterEach(async () => {
      under.kms.close();
      await under.close();
    });

    test("a data key of 32 bytes opens again to the same bytes", async () => {
      const { kms, keyArn } = under;
      const made = await kms.generateDataKey(keyArn, CONTEXT);
      expect(made.plaintext).toHaveLength(32);
      expect(made.keyArn).toBe(keyArn);
      expect(made.wrapped.length).toBeGreaterThan(0);
      expect(await kms.decrypt(keyArn, made.wrapped, CONTEXT)).toEqual(made.plaintext);
    });

    test("two data keys differ", async () => {
      const { kms, keyArn } = under;
      const first = await kms.generateDataKey(keyArn, CONTEXT);
      const second = await kms.generateDataKey(keyArn, CONTEXT);
      expect(first.plaintext.equals(second.plaintext)).toBe(false);
    });

    test("plaintexts have memory of their own, so that wiping one touches nothing else", async () => {
      const { kms, keyArn } = under;
      const made = await kms.generateDataKey(keyArn, CONTEXT);
      const opened = await kms.decrypt(keyArn, made.wrapped, CONTEXT);
      expect(made.plaintext.buffer.byteLength).toBe(32);
      expect(opened.buffer.byteLength).toBe(32);
    });

    test("the order of a context does not count", async () => {
      const { kms, keyArn } = under;
      const made = await kms.generateDataKey(keyArn, { a: "1", b: "2" });
      expect(await kms.decrypt(keyArn, made.wrapped, { b: "2", a: "1" })).toEqual(made.plaintext);
    });

    test.each([
      ["another value", { app: "plori-byok", account: "acct-2" }],
      ["a missing field", { app: "plori-byok" }],
      ["a further field", { ...CONTEXT, extra: "" }],
      ["a name in another case", { app: "plori-byok", Account: "acct-1" }],
      ["a value in another case", { app: "plori-byok", account: "ACCT-1" }],
      ["another split of the same text", { app: "plori-byokaccount", "": "acct-1" }],
      ["no context", {}],
    ])("a context with %s does not open", async (_what, context) => {
      const { kms, keyArn } = under;
      const made = await kms.generateDataKey(keyArn, CONTEXT);
      await expectFailure(kms.decrypt(keyArn, made.wrapped, context), "corrupt", "InvalidCiphertextException");
    });

    test("contexts that read the same when run together are told apart", async () => {
      const { kms, keyArn } = under;
      const made = await kms.generateDataKey(keyArn, { a: "bc" });
      await expectFailure(kms.decrypt(keyArn, made.wrapped, { ab: "c" }), "corrupt", "InvalidCiphertextException");
    });

    test("an altered or cut ciphertext does not open", async () => {
      const { kms, keyArn } = under;
      const { wrapped } = await kms.generateDataKey(keyArn, CONTEXT);
      const flipped = Uint8Array.from(wrapped, (byte, index) => (index === wrapped.length - 20 ? byte ^ 1 : byte));
      for (const bad of [flipped, wrapped.subarray(0, wrapped.length - 1), Uint8Array.of(1), Uint8Array.of()]) {
        await expectFailure(kms.decrypt(keyArn, bad, CONTEXT), "corrupt");
      }
    });

    test("another key does not open it, and the KMS says so", async () => {
      const { kms, keyArn, otherKeyArn } = under;
      const made = await kms.generateDataKey(keyArn, CONTEXT);
      await expectFailure(kms.decrypt(otherKeyArn, made.wrapped, CONTEXT), "denied", "IncorrectKeyException");
    });

    test("a disabled key refuses everything, and serves again once it is enabled", async () => {
      const { kms, keyArn } = under;
      const made = await kms.generateDataKey(keyArn, CONTEXT);
      await under.setState(keyArn, "Disabled");
      await expectFailure(kms.decrypt(keyArn, made.wrapped, CONTEXT), "denied", "DisabledException");
      await expectFailure(kms.generateDataKey(keyArn, CONTEXT), "denied", "DisabledException");
      await expectFailure(kms.describeKey(keyArn), "denied", "DisabledException");
      await under.setState(keyArn, "Enabled");
      expect(await kms.decrypt(keyArn, made.wrapped, CONTEXT)).toEqual(made.plaintext);
    });

    test("a key that awaits deletion refuses everything", async () => {
      const { kms, keyArn } = under;
      const made = await kms.generateDataKey(keyArn, CONTEXT);
      await under.setState(keyArn, "PendingDeletion");
      await expectFailure(kms.decrypt(keyArn, made.wrapped, CONTEXT), "denied");
      await expectFailure(kms.generateDataKey(keyArn, CONTEXT), "denied");
      await expectFailure(kms.describeKey(keyArn), "denied");
    });

    test("a key that does not exist is denied", async () => {
      const absent = under.keyArn.replace(/[^/]+$/, "00000000-aaaa-bbbb-cccc-000000000000");
      await expectFailure(under.kms.generateDataKey(absent, CONTEXT), "denied", "NotFoundException");
      await expectFailure(under.kms.describeKey(absent), "denied", "NotFoundException");
      await expectFailure(under.kms.describeKey("alias/absent"), "denied", "NotFoundException");
    });

    test("what older material wrapped opens after a rotation, and so does what newer material wraps", async () => {
      const { kms, keyArn } = under;
      const before = await kms.generateDataKey(keyArn, CONTEXT);
      await under.rotate(keyArn);
      const after = await kms.generateDataKey(keyArn, CONTEXT);
      expect(await kms.decrypt(keyArn, before.wrapped, CONTEXT)).toEqual(before.plaintext);
      expect(await kms.decrypt(keyArn, after.wrapped, CONTEXT)).toEqual(after.plaintext);
    });

    test("id, ARN and alias name the same key, and the answer is always its ARN", async () => {
      const { kms, keyArn, alias } = under;
      for (const keyId of [keyArn, keyArn.replace(/^.*\//, ""), alias]) {
        expect(await kms.describeKey(keyId)).toEqual({ keyArn });
        expect((await kms.generateDataKey(keyId, CONTEXT)).keyArn).toBe(keyArn);
      }
    });

    test("a data key that was wrapped anew under another key opens there, and only there, to the same bytes", async () => {
      const { kms, keyArn, otherKeyArn } = under;
      const made = await kms.generateDataKey(keyArn, CONTEXT);
      const moved = await kms.reEncrypt(keyArn, made.wrapped, otherKeyArn, CONTEXT);
      expect(moved.keyArn).toBe(otherKeyArn);
      expect(await kms.decrypt(otherKeyArn, moved.wrapped, CONTEXT)).toEqual(made.plaintext);
      await expectFailure(kms.decrypt(keyArn, moved.wrapped, CONTEXT), "denied", "IncorrectKeyException");
      expect(await kms.decrypt(keyArn, made.wrapped, CONTEXT)).toEqual(made.plaintext);
    });

    test("wrapping anew needs the right source key, the right context and two usable keys", async () => {
      const { kms, keyArn, otherKeyArn } = under;
      const { wrapped } = await kms.generateDataKey(keyArn, CONTEXT);
      await expectFailure(kms.reEncrypt(otherKeyArn, wrapped, keyArn, CONTEXT), "denied", "IncorrectKeyException");
      await expectFailure(kms.reEncrypt(keyArn, wrapped, otherKeyArn, { app: "other" }), "corrupt");
      await under.setState(otherKeyArn, "Disabled");
      await expectFailure(kms.reEncrypt(keyArn, wrapped, otherKeyArn, CONTEXT), "denied", "DisabledException");
    });

    test("an alias that was pointed elsewhere wraps under the new key, and what the old one wrapped still opens", async () => {
      const { kms, keyArn, otherKeyArn, alias } = under;
      const before = await kms.generateDataKey(alias, CONTEXT);
      await under.pointAlias(alias, otherKeyArn);
      expect((await kms.generateDataKey(alias, CONTEXT)).keyArn).toBe(otherKeyArn);
      expect(await kms.decrypt(keyArn, before.wrapped, CONTEXT)).toEqual(before.plaintext);
    });
  });
}

/** Expects a `KmsError` of that class (and name). */
export async function expectFailure(
  call: Promise<unknown>,
  failure: KmsFailure,
  errorName?: string,
): Promise<KmsError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(KmsError);
  if (!(error instanceof KmsError)) throw new Error("unreachable");
  expect({ failure: error.failure, errorName: errorName === undefined ? undefined : error.errorName }).toEqual({
    failure,
    errorName,
  });
  return error;
}
