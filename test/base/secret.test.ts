import { format, inspect } from "node:util";
import { expect, test } from "vitest";
import { ownBytes } from "../../src/base/own-bytes.ts";
import { Secret } from "../../src/base/secret.ts";

const TEXT = ["sk", "to-be-seen-nowhere"].join("-");

test("a secret shows in no print, no JSON and no text, however deep it stands and whatever is asked to be shown", () => {
  const secret = Secret.fromText(TEXT);
  const shown = [
    String(secret),
    `${secret}`,
    JSON.stringify({ deep: [secret] }),
    inspect({ deep: { secret } }, { depth: null, showHidden: true, getters: true }),
    inspect(secret, { customInspect: false, showHidden: true }),
    format("%s %j %o %O", secret, secret, secret, secret),
    inspect(new Error("with a cause", { cause: secret })),
    JSON.stringify(structuredClone({ ...secret })),
  ].join("\n");
  expect(shown).not.toContain(TEXT);
  expect(shown).not.toContain(Buffer.from(TEXT).toString("hex"));
  expect(shown).not.toContain(Buffer.from(TEXT).toString("base64"));
  expect(shown).not.toContain(JSON.stringify([...Buffer.from(TEXT)]).slice(1, -1));
});

test("a wiped secret is zeros, and is given to nobody", () => {
  for (const secret of [Secret.fromText(TEXT), Secret.copyOf(Buffer.from(TEXT)), Secret.adopt(Buffer.from(TEXT))]) {
    const bytes = secret.reveal();
    expect(bytes.toString()).toBe(TEXT);
    secret.wipe();
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(() => secret.reveal()).toThrow("wiped");
    secret.wipe();
  }
});

test("bytes for secrets have memory of their own", () => {
  for (const length of [0, 1, 32, 64, 65, 8_192]) {
    const bytes = ownBytes(length);
    expect([bytes.length, bytes.byteOffset, bytes.buffer.byteLength]).toEqual([length, 0, length]);
  }
});
