import { expect, test } from "vitest";
import { usableKmsKey } from "../../src/kms/multi-region.ts";

const ACCOUNT = "111122223333";
const keyArn = (region: string, id: string, account = ACCOUNT) => `arn:aws:kms:${region}:${account}:key/${id}`;
const PRIMARY = keyArn("us-east-1", "mrk-1234");
const REPLICA = keyArn("eu-west-1", "mrk-1234");

test("a key opens what it wrapped itself, and prefers itself to its replicas", () => {
  expect(usableKmsKey(PRIMARY, [REPLICA, PRIMARY])).toBe(PRIMARY);
});

test("a replica of a multi-Region key opens what the primary wrapped", () => {
  expect(usableKmsKey(PRIMARY, [keyArn("eu-west-1", "mrk-9999"), REPLICA])).toBe(REPLICA);
});

test.each([
  ["a key of one Region, though the id is the same", keyArn("us-east-1", "1234"), keyArn("eu-west-1", "1234")],
  ["another account's key of the same id", PRIMARY, keyArn("eu-west-1", "mrk-1234", "999999999999")],
  ["another partition's key", PRIMARY, REPLICA.replace("arn:aws:", "arn:aws-cn:")],
  ["a key whose id only begins alike", PRIMARY, keyArn("eu-west-1", "mrk-12345")],
  ["something that is no ARN", PRIMARY, "mrk-1234"],
])("%s opens nothing of it", (_what, stored, configured) => {
  expect(usableKmsKey(stored, [configured])).toBeUndefined();
});
