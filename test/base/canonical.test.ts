import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalDetails } from "../../src/audit/chain.ts";
import { type CanonicalField, canonicalBytes } from "../../src/base/canonical.ts";

/** The encoding as its definition says it, one field after the other. */
function byDefinition(fields: readonly CanonicalField[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => {
      const bytes = Buffer.from(typeof field === "bigint" || typeof field === "number" ? field.toString() : field);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

const fields = fc.array(
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.uint8Array({ maxLength: 60 }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }),
    fc.maxSafeInteger(),
  ),
  { maxLength: 8 },
);

test("a canonical encoding is each field after its length, whatever is in it", () => {
  fc.assert(
    fc.property(fields, (list) => {
      expect(Buffer.compare(canonicalBytes(list), byDefinition(list))).toBe(0);
    }),
  );
});

test("two lists that differ only in where one field ends have different encodings", () => {
  expect(canonicalBytes(["a", "bc"])).not.toEqual(canonicalBytes(["ab", "c"]));
  expect(canonicalBytes(["", "a"])).not.toEqual(canonicalBytes(["a", ""]));
});

test("a number that is not whole, or not of 64 bits, is refused", () => {
  expect(() => canonicalBytes([0.5])).toThrow(RangeError);
  expect(() => canonicalBytes([2 ** 60])).toThrow(RangeError);
  expect(() => canonicalBytes([10n ** 41n])).toThrow(RangeError);
});

test("details have one spelling: JSON that reads back the same, names in order whatever order they came in", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })), (details) => {
      const text = canonicalDetails(details);
      expect(JSON.parse(text)).toEqual({ ...details });
      const turned = Object.fromEntries(Object.entries(details).reverse());
      expect(canonicalDetails(turned)).toBe(text);
    }),
  );
});
