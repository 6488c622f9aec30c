import fc from "fast-check";
import { expect, test } from "vitest";
import { takeJsonSecret } from "../../src/providers/json-secret.ts";

const take = (text: string): string | undefined =>
  takeJsonSecret(Buffer.from(text), "key", 512)?.reveal().toString("latin1");

/** Any JSON object, often with tempting members: "key" at any depth, as a value, and behind escapes. */
const anyObject = fc.dictionary(
  fc.oneof(fc.constant("key"), fc.constant('k"ey'), fc.constant("\\"), fc.string()),
  fc.oneof(fc.constant("key"), fc.jsonValue({ maxDepth: 3 }), fc.constant({ key: "inner" }), fc.constant('":"x')),
  { maxKeys: 6 },
);

test("the member is found exactly where JSON.parse finds it, however the JSON is laid out", () => {
  fc.assert(
    fc.property(anyObject, fc.constantFrom(undefined, 1, "\t"), (object, indent) => {
      const text = JSON.stringify(object, undefined, indent);
      const value: unknown = Object.hasOwn(object, "key") ? object["key"] : undefined;
      const isKey = typeof value === "string" && /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/.test(value);
      expect(take(text)).toBe(isKey ? value : undefined);
    }),
  );
});

test("bytes that are no JSON, or end too early, give nothing and never throw", () => {
  for (const text of ["", '"', '{"key', '{"key":', '{"key":"abc', "{", '{"key":7}', '{"key":null}', '{"key":["x"]}']) {
    expect(take(text)).toBeUndefined();
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      takeJsonSecret(bytes, "key", 512);
    }),
  );
});

test("a member of an inner object, or a value that reads like a member, is not taken", () => {
  expect(take('{"data":{"key":"inner"}}')).toBeUndefined();
  expect(take('{"user_id":"\\"key\\":\\"x","key":"outer"}')).toBe("outer");
  expect(take('{"a":["key"],"key" :\n"outer"}')).toBe("outer");
});
