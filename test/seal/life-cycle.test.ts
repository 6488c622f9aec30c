import { expect, test } from "vitest";
import type { Kms } from "../../src/kms/kms.ts";
import { expectRefusal, identityOf, KEY_TEXT, openTestSealer, secretOf, textOf } from "./open-test-sealer.ts";

const BYTES = Buffer.from("what the database says");

test("a MAC holds for its account, its bytes, its data key and its environment alone", async () => {
  const { sealer, another } = openTestSealer();
  const { dataKeyVersion, mac } = await sealer.mac("acct-1", BYTES);
  await sealer.mac("acct-2", BYTES);
  await sealer.rotate("acct-1");
  expect(mac).toHaveLength(32);
  expect(await sealer.verifyMac("acct-1", dataKeyVersion, BYTES, mac)).toBe(true);
  expect(await sealer.verifyMac("acct-1", dataKeyVersion, Buffer.from("other"), mac)).toBe(false);
  expect(await sealer.verifyMac("acct-1", dataKeyVersion + 1, BYTES, mac)).toBe(false);
  expect(await sealer.verifyMac("acct-2", dataKeyVersion, BYTES, mac)).toBe(false);
  expect(await sealer.verifyMac("acct-1", dataKeyVersion, BYTES, mac.subarray(0, 31))).toBe(false);
  expect(await sealer.verifyMac("acct-1", 0, BYTES, mac)).toBe(false);
  const elsewhere = another({ environment: "other" });
  await expectRefusal(() => elsewhere.verifyMac("acct-1", dataKeyVersion, BYTES, mac), "RECORD_CORRUPT");
});

test("after a rotation new records take the new data key, and the older ones still open", async () => {
  const { sealer, another } = openTestSealer();
  const before = await sealer.seal(identityOf(), secretOf());
  expect(await sealer.rotate("acct-1")).toBe(2);
  const after = await sealer.seal(identityOf(), secretOf());
  expect([before.dataKeyVersion, after.dataKeyVersion]).toEqual([1, 2]);
  const restarted = another();
  expect(textOf(await restarted.open(identityOf(), before))).toBe(KEY_TEXT);
  expect(textOf(await restarted.open(identityOf(), after))).toBe(KEY_TEXT);
});

test("rotations at the same moment agree on one new data key", async () => {
  const { sealer } = openTestSealer();
  await sealer.seal(identityOf(), secretOf());
  const versions = await Promise.all([sealer.rotate("acct-1"), sealer.rotate("acct-1"), sealer.rotate("acct-1")]);
  expect(new Set(versions)).toEqual(new Set([2]));
});

test("after a failover the replica of a multi-Region key is asked, by its own ARN", async () => {
  const { sealer, another, kms } = openTestSealer();
  const record = await sealer.seal(identityOf(), secretOf());
  const replicaArn = kms.keyArn.replace("us-east-1", "eu-west-1");
  const asked: string[] = [];
  const replica: Kms = {
    ...kms,
    async decrypt(keyArn, wrapped, context) {
      asked.push(keyArn);
      return await kms.decrypt(kms.keyArn, wrapped, context);
    },
  };
  const failedOver = another({ kms: replica, localKmsKey: (arn) => arn.replace("us-east-1", "eu-west-1") });
  expect(textOf(await failedOver.open(identityOf(), record))).toBe(KEY_TEXT);
  expect(asked).toEqual([replicaArn]);
});

test("a data key that is wrapped by a KMS key of somebody else's is not wrapped anew", async () => {
  const { another, store, kms } = openTestSealer();
  const sealer = another({ isTrustedKmsKey: (arn) => arn === kms.keyArn });
  await sealer.seal(identityOf(), secretOf());
  const [stored] = store.rows.values();
  if (stored === undefined) throw new Error("unreachable");
  await expectRefusal(() => sealer.rewrap({ ...stored, kmsKeyArn: "arn:theirs" }), "RECORD_CORRUPT");
  expect(kms.calls.reEncrypt).toBe(0);
  expect((await sealer.rewrap(stored)).kmsKeyArn).toBe(kms.keyArn);
});

test("every plaintext that wrapping anew sees is overwritten", async () => {
  const { sealer, store, kms } = openTestSealer();
  await sealer.seal(identityOf(), secretOf());
  const [stored] = store.rows.values();
  if (stored === undefined) throw new Error("unreachable");
  await sealer.rewrap(stored);
  expect(kms.handedOut.length).toBe(3);
  for (const plaintext of kms.handedOut) expect(plaintext.equals(Buffer.alloc(32))).toBe(true);
});
