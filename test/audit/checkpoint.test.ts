import { expect, test } from "vitest";
import { openCheckpoint, signCheckpoint, signerKey, verifierText } from "../../src/audit/checkpoint.ts";

const ORIGIN = "plori.internal/byok/test/audit/sqlite";
const HASH = Buffer.alloc(32, 7);
const key = signerKey(ORIGIN, Buffer.alloc(32, 1));

test("a published key of the signed note format gives its published verifier text", () => {
  // The example of golang.org/x/mod/sumdb/note, on which c2sp.org/signed-note is built.
  const seed = Buffer.from("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "base64").subarray(1);
  expect(verifierText(signerKey("PeterNeumann", seed))).toBe(
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
  );
});

test("a checkpoint is origin, size and hash, an empty line and a signature line, and opens again", () => {
  const { note } = signCheckpoint(key, ORIGIN, 42n, HASH);
  expect(note.split("\n").slice(0, 4)).toEqual([ORIGIN, "42", HASH.toString("base64"), ""]);
  expect(note).toMatch(/\n\u2014 plori\.internal\/byok\/test\/audit\/sqlite [A-Za-z0-9+/=]+\n$/);
  const opened = openCheckpoint(note, ORIGIN, [key]);
  expect(opened?.size).toBe(42n);
  expect(HASH.equals(opened?.hash ?? Buffer.alloc(0))).toBe(true);
});

test("every single-character change of a note is refused", () => {
  const { note } = signCheckpoint(key, ORIGIN, 42n, HASH);
  let refused = 0;
  for (let at = 0; at < note.length; at += 1) {
    const changed = `${note.slice(0, at)}${note[at] === "A" ? "B" : "A"}${note.slice(at + 1)}`;
    if (openCheckpoint(changed, ORIGIN, [key]) === undefined) refused += 1;
  }
  expect(refused).toBe(note.length);
});

test("another origin, another key and no key are refused", () => {
  const { note } = signCheckpoint(key, ORIGIN, 42n, HASH);
  const stranger = signerKey(ORIGIN, Buffer.alloc(32, 2));
  expect(openCheckpoint(note, ORIGIN.replace("test", "live"), [key])).toBeUndefined();
  expect(openCheckpoint(note, ORIGIN, [stranger])).toBeUndefined();
  expect(openCheckpoint(note, ORIGIN, [])).toBeUndefined();
  expect(openCheckpoint(note, ORIGIN, [stranger, key])?.size).toBe(42n);
});
