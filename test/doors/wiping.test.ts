import { create, toBinary } from "@bufbuild/protobuf";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { expect, test } from "vitest";
import { createCodecs } from "../../src/doors/rpc/codecs.ts";
import { watchCopy } from "../../src/doors/watch-copy.ts";
import { wipeableRequest, wipingTextDecoder } from "../../src/doors/wiped-request.ts";
import {
  type ConnectKeyRequest,
  ConnectKeyRequestSchema,
} from "../../src/gen/plori/keyvault/v1/keyvault_service_pb.ts";

const ANY_REQUEST: UniversalServerRequest = {
  httpVersion: "2.0",
  method: "POST",
  url: "https://localhost/",
  header: new Headers(),
  body: {},
  signal: new AbortController().signal,
};
const isWiped = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

test("a ConnectKey request is overwritten once it was read, also when it does not parse", () => {
  const codec = createCodecs()["plori.keyvault.v1.KeyVaultService/ConnectKey"];
  if (codec === undefined) throw new Error("no codec");
  const bytes = Buffer.from(toBinary(ConnectKeyRequestSchema, create(ConnectKeyRequestSchema, { secret: "a secret" })));
  const cut = Buffer.from(bytes.subarray(0, bytes.length - 1));
  expect((codec.decode(bytes) as ConnectKeyRequest).secret).toBe("a secret");
  expect(isWiped(bytes)).toBe(true);
  expect(() => codec.decode(cut)).toThrow();
  expect(isWiped(cut)).toBe(true);
});

test("the pieces of a request are passed on as they come, and all overwritten when it is over", async () => {
  const pieces = ["first", "second", "third"].map((text) => Buffer.from(text));
  async function* body() {
    yield* pieces;
  }
  const { request, wipe } = wipeableRequest({ ...ANY_REQUEST, body: body() });
  const read: string[] = [];
  for await (const piece of request.body as AsyncIterable<Uint8Array>) {
    read.push(Buffer.from(piece).toString());
    if (read.length === 2) break;
  }
  expect(read).toEqual(["first", "second"]);
  wipe();
  expect(pieces.map(isWiped)).toEqual([true, true, false]);
});

test("JSON is read as UTF-8 and overwritten", () => {
  const bytes = Buffer.from('{"secret":"ä"}');
  expect(wipingTextDecoder.decode(bytes)).toBe('{"secret":"ä"}');
  expect(isWiped(bytes)).toBe(true);
});

test("a watched copy is whole, is overwritten alone, and need not be made", () => {
  const bytes = Buffer.from("a message");
  const copy = watchCopy(bytes);
  copy.wipe();
  const target = Buffer.alloc(bytes.length + 5, 1);
  expect(bytes.copy(target, 5)).toBe(bytes.length);
  expect(target.subarray(5).toString()).toBe("a message");
  copy.wipe();
  expect(isWiped(target)).toBe(true);
  expect(bytes.toString()).toBe("a message");
});
