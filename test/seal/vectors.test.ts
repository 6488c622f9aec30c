import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PROVIDERS } from "../../src/base/provider.ts";
import { associatedData } from "../../src/seal/associated-data.ts";
import { fingerprintOf } from "../../src/seal/fingerprint.ts";
import { keyOfRecord, openRecord } from "../../src/seal/open-record.ts";
import { sealRecord } from "../../src/seal/seal-record.ts";

interface Vector {
  readonly note: string;
  readonly environment: string;
  readonly account: string;
  readonly provider: string;
  readonly keyVersion: number;
  readonly kind: string;
  readonly dataKeyId: string;
  readonly dataKeyVersion: number;
  readonly dataKeyHex: string;
  readonly saltHex: string;
  readonly nonceHex: string;
  readonly secretHex: string;
  readonly associatedDataHex: string;
  readonly recordHex: string;
  readonly fingerprintHex: string;
}

// Made by an independent implementation of the format (Python's hmac, hashlib and cryptography), so that a mistake here cannot vouch for itself.
const vectors: Vector[] = JSON.parse(readFileSync(new URL("../vectors/seal-v1.json", import.meta.url), "utf8"));

const hex = (text: string) => Buffer.from(text, "hex");

test("there are vectors", () => {
  expect(vectors.length).toBeGreaterThanOrEqual(4);
});

test.each(vectors)("what was sealed once is sealed the same and opens for ever: $note", (vector) => {
  const provider = PROVIDERS.find((known) => known === vector.provider);
  if (provider === undefined) throw new Error("unknown provider");
  const dataKey = createSecretKey(hex(vector.dataKeyHex));
  const aad = associatedData(vector.environment, { ...vector, provider }, vector);
  expect(aad.toString("hex")).toBe(vector.associatedDataHex);
  const input = {
    dataKey,
    dataKeyVersion: vector.dataKeyVersion,
    associatedData: aad,
    salt: hex(vector.saltHex),
    nonce: hex(vector.nonceHex),
  };
  expect(sealRecord(input, hex(vector.secretHex)).toString("hex")).toBe(vector.recordHex);
  const record = hex(vector.recordHex);
  const opened = openRecord(keyOfRecord(dataKey, vector.dataKeyVersion, aad, record), record);
  expect(opened.reveal().toString("hex")).toBe(vector.secretHex);
  expect(fingerprintOf(dataKey, hex(vector.secretHex)).toString("hex")).toBe(vector.fingerprintHex);
});
