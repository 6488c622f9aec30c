import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SealedSecretSchema } from "../../src/gen/plori/seal/v1/sealed_secret_pb.ts";
import { adoptSecret, encodePlaintext } from "../../src/seal/plaintext.ts";

test("the plaintext written by hand is what the generated code reads and writes, for every length near a border", () => {
  const lengths = [
    1, 2, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 117, 118, 119, 120, 121, 122, 123, 126, 127, 128, 129,
  ];
  for (const length of [...lengths, 8_191, 8_192]) compare(new Uint8Array(length).fill(0xa5));
});

test("the plaintext written by hand is what the generated code reads and writes", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 8_192 }), compare), { numRuns: 300 });
});

function compare(secret: Uint8Array): void {
  const encoded = encodePlaintext(secret);
  expect(encoded.length % 64).toBe(0);
  const message = fromBinary(SealedSecretSchema, encoded);
  expect(message.format).toBe(1);
  expect(Buffer.from(message.secret).equals(secret)).toBe(true);
  expect(message.padding?.every((byte) => byte === 0)).toBe(true);
  const { format, padding } = message;
  const written = toBinary(
    SealedSecretSchema,
    create(SealedSecretSchema, { format, secret, padding: padding ?? new Uint8Array() }),
  );
  expect(Buffer.from(written).equals(encoded)).toBe(true);
  expect(adoptSecret(Buffer.from(encoded))?.reveal().equals(secret)).toBe(true);
}

test("a plaintext that is not exactly one of ours is not read", () => {
  const good = encodePlaintext(Buffer.from("secret"));
  const change = (index: number, byte: number) => {
    const bytes = Buffer.from(good);
    bytes[index] = byte;
    return bytes;
  };
  const bad = [
    Buffer.alloc(0),
    Buffer.alloc(64),
    good.subarray(0, 63),
    Buffer.concat([good, Buffer.alloc(64)]),
    change(1, 2),
    change(2, 0x1a),
    change(3, 0),
    change(3, 5),
    change(3, 0x7f),
    change(3, 0xff),
    change(11, 0),
  ];
  for (const bytes of bad) expect(adoptSecret(bytes)).toBeUndefined();
});

test("an empty secret and one beyond 8,192 bytes are not sealed", () => {
  expect(() => encodePlaintext(new Uint8Array(0))).toThrow(/invariant/);
  expect(() => encodePlaintext(new Uint8Array(8_193))).toThrow(/invariant/);
});
